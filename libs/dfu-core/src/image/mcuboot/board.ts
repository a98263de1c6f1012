/**
 * Board names, as a package's manifest and a running device spell them.
 *
 * The manifest carries CONFIG_BOARD of each image's build, a device CONFIG_BOARD and `@revision`. Before Zephyr 3.7 that
 * name held SoC, core and variant (`nrf5340dk_nrf5340_cpuapp_ns`), since then it holds none of them (`nrf5340dk`).
 *
 * Source: nRF Connect SDK `cmake/fw_zip.cmake`; Zephyr `subsys/mgmt/mcumgr/grp/os_mgmt/src/os_mgmt.c` (info, format `i`),
 * `doc/hardware/porting/board_porting.rst`.
 */

/** Cores of one chip, and the non-secure build: the same board whoever of them an image is for. */
const CORE_OR_VARIANT = /^(?:cpu[a-z0-9]+|ns)$/;

function wordsOf(board: string): string[] {
  const [name = ''] = board.toLowerCase().split('@');
  const words = name.split(/[/_]/).filter((word) => word !== '');
  return words.filter((word, index) => index === 0 || !CORE_OR_VARIANT.test(word));
}

/**
 * Whether both spellings can mean one board: the words of the shorter stand in the longer, in their order, from the first
 * on. Revisions are not compared.
 */
export function isSameBoard(one: string, other: string): boolean {
  const [short = [], long = []] = [wordsOf(one), wordsOf(other)].sort((a, b) => a.length - b.length);
  if (short.length === 0 || short[0] !== long[0]) return false;
  let at = 0;
  for (const word of long) if (word === short[at]) at++;
  return at === short.length;
}
