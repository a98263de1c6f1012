import { answerOf } from '@drydock/api-client';
import { Menu, useMantineColorScheme } from '@mantine/core';
import { changing } from '../data/api.js';
import { queryClient } from '../data/query-client.js';
import { session } from '../session/session-store.js';
import { useSession } from '../session/use-session.js';

const SCHEMES = [
  ['auto', 'Colours as the system says'],
  ['light', 'Light'],
  ['dark', 'Dark'],
] as const;

/** The signed-in person: colours, keys, sign out. */
export function PersonMenu({ onKeys }: { onKeys: () => void }) {
  const current = useSession();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const signOut = async () => {
    // Without an answer the cookie may still be good: this tab forgets it either way only when the server did.
    await answerOf(changing.DELETE('/api/v1/session'));
    queryClient.clear();
    session.none();
  };
  return (
    <Menu position="bottom-end" width={240} transitionProps={{ duration: 0 }}>
      <Menu.Target>
        <button type="button" className="plain-button">
          {current?.person.name ?? ''} <span aria-hidden>▾</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{current?.person.roles.join(', ') || 'no role'}</Menu.Label>
        {SCHEMES.map(([value, label]) => (
          <Menu.Item
            key={value}
            role="menuitemradio"
            aria-checked={colorScheme === value}
            leftSection={<span aria-hidden>{colorScheme === value ? '●' : '○'}</span>}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={onKeys} rightSection="?">
          Keys
        </Menu.Item>
        <Menu.Item onClick={() => void signOut()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
