/** What was said of this device: grants, reports as they were committed, and the bytes of a transfer under way. */
import type { ConversationLine, DeviceNow } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useKeysetRows } from '../../data/keyset.js';
import { bytes } from '../../format/numbers.js';
import { allZones, clock, dayLine } from '../../format/times.js';
import { useTransfer } from '../../live/use-live.js';
import { CopyButton } from '../../pieces/copy-button.js';
import { Part } from '../../pieces/page-state.js';
import { conversationText, newestLast, withRate } from './conversation-lines.js';
import classes from './conversation.module.css';
import { deviceConversationPage } from './queries.js';

/** So near to its end a reader is taken for one who follows. */
const NEAR_PX = 24;

export function Conversation({ id, now }: { id: string; now: DeviceNow | undefined }) {
  const live = now?.deployment ?? undefined;
  const isUnderWay = live !== undefined && live.state !== 'planned';
  const rows = useKeysetRows<ConversationLine>(
    ['device', id, 'conversation'],
    (after) => deviceConversationPage(id, after),
    { renewEveryMs: isUnderWay ? 2_000 : 10_000 },
  );
  return (
    <section className="panel" aria-labelledby="conversation">
      <header>
        <h2 id="conversation">Conversation</h2>
        <span className="small muted">what its gateways reported, as long as reports are kept</span>
      </header>
      <Part query={rows}>
        {(lines) =>
          lines.length === 0 ? (
            <p className="muted">Nothing was said of it yet: the first line comes with its first grant.</p>
          ) : (
            <Log lines={newestLast(lines)} live={isUnderWay ? live : undefined} rows={rows} />
          )
        }
      </Part>
    </section>
  );
}

interface LogProps {
  readonly lines: readonly ConversationLine[];
  readonly live: NonNullable<DeviceNow['deployment']> | undefined;
  readonly rows: { readonly hasMore: boolean; readonly loadMore: () => void; readonly isLoadingMore: boolean };
}

function Log({ lines, live, rows }: LogProps) {
  const box = useRef<HTMLDivElement>(null);
  const [follows, setFollows] = useState(true);
  const transfer = useTransfer(live?.id) ?? live?.progress ?? undefined;
  const newest = lines.at(-1);
  const end = () => {
    const element = box.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  // Scrolling up stops following; what comes then waits below, and the reader's place stays.
  useEffect(() => {
    if (follows) end();
  }, [follows, newest?.at, newest?.kind, lines.length, transfer?.sentBytes]);
  useKeepPlace(box, lines, follows);
  const onScroll = () => {
    const element = box.current;
    if (element) setFollows(element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX);
  };
  let day = '';
  let attempt = '';
  return (
    <>
      <div
        ref={box}
        className={classes.log}
        onScroll={onScroll}
        tabIndex={0}
        role="region"
        aria-label="Conversation, oldest first"
      >
        {rows.hasMore && (
          <button type="button" className="plain-button small" disabled={rows.isLoadingMore} onClick={rows.loadMore}>
            Older lines
          </button>
        )}
        <ol>
          {lines.map((line) => {
            const name = `${line.deploymentId} ${line.attempt}`;
            const begins = name !== attempt;
            const newDay = dayLine(line.at) !== day;
            day = dayLine(line.at);
            attempt = name;
            return (
              <li key={`${line.at} ${line.kind} ${name} ${line.gateway.id}`} data-begins={begins || undefined}>
                {(begins || newDay) && (
                  <p className={classes.head}>
                    {day} · attempt {line.attempt} ·{' '}
                    <Link to="/campaigns/$name" params={{ name: line.campaign.name }} search={{}}>
                      {line.campaign.name}
                    </Link>{' '}
                    · {line.gateway.name || 'a gateway that is gone'}
                  </p>
                )}
                <Line line={line} />
              </li>
            );
          })}
        </ol>
        {live && transfer && transfer.sentBytes < transfer.totalBytes && (
          <p className={`${classes.line} live-number`}>
            <span className={classes.time}>now</span>
            <span className={classes.kind}>bytes</span>
            <span>
              {bytes(transfer.sentBytes)} of {bytes(transfer.totalBytes)}
              {withRate(transfer.bytesPerSecond)}
            </span>
          </p>
        )}
      </div>
      <p className="row">
        <button
          type="button"
          className="plain-button"
          aria-pressed={follows}
          onClick={() => {
            setFollows(!follows);
            if (!follows) end();
          }}
        >
          {follows ? '● following' : '○ follow'}
        </button>
        <CopyButton text={conversationText(lines)} label={`copy ${lines.length} lines`} />
        {!follows && <span className="small muted">New lines wait below.</span>}
      </p>
    </>
  );
}

function Line({ line }: { line: ConversationLine }) {
  const at = line.saidAt ?? line.at;
  return (
    <p className={classes.line} data-refused={line.disposition === 'refused' || undefined}>
      <time
        dateTime={at}
        title={`${allZones(at)}${line.saidAt === null ? '' : `; the server knew it ${clock(line.at, { seconds: true })}`}`}
        className={classes.time}
      >
        {clock(at, { seconds: true })}
      </time>
      <span className={classes.kind}>{line.kind}</span>
      <span>
        {line.sentence}
        {line.disposition === 'refused' && <span className="muted"> Not accepted{line.note && `: ${line.note}`}.</span>}
        {line.disposition === 'history' && <span className="muted"> Of an older attempt: nothing moved by it.</span>}
      </span>
    </p>
  );
}

/** Where older lines come in above, what one reads stays where it is. */
function useKeepPlace(
  box: { readonly current: HTMLElement | null },
  lines: readonly ConversationLine[],
  follows: boolean,
): void {
  const before = useRef({ first: '', height: 0 });
  const first = `${lines[0]?.at} ${lines[0]?.kind}`;
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    if (!follows && before.current.first !== first) {
      element.scrollTop += element.scrollHeight - before.current.height;
    }
    before.current = { first, height: element.scrollHeight };
  });
}
