/** What a person must look at, worst first as the server sorted it; each with its age and one action. */
import type { Attention, Overview } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { counted } from '../../format/numbers.js';
import { StateMark, type Family, type Look } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import classes from './overview.module.css';

const LOOKS: Readonly<Record<Attention['kind'], readonly [Family, string, string]>> = {
  'campaign.halted': ['bad', '■', 'halted'],
  'approval.wanted': ['person', '◇', 'awaiting approval'],
  'stage.failed': ['bad', '✕', 'gate failed'],
  'stage.held': ['person', '◇', 'held'],
  'campaign.standing': ['person', '‖', 'stands still'],
  'campaign.paused': ['person', '‖', 'paused'],
  'devices.rescue': ['person', '⚑', 'rescue'],
  'gateways.quarantined': ['person', '◇', 'quarantined'],
  'gateways.absent': ['person', '○', 'away'],
  'outbox.growing': ['person', '◔', 'orders wait'],
  'webhook.failing': ['person', '✕', 'webhook'],
  'devices.claimed': ['person', '◇', 'claimed'],
};
const VERBS: Readonly<Record<Attention['action'], string>> = {
  look: 'Look',
  review: 'Review',
  approve: 'Review',
  release: 'Release',
};

export function NeedsPerson({ overview }: { overview: Overview }) {
  const { attention, campaigns } = overview;
  const running = campaigns.running ?? 0;
  if (attention.length === 0) {
    return (
      <p className={classes.calm}>
        Nothing needs you.{' '}
        {running === 0
          ? 'No campaign is running.'
          : `${counted(running, 'campaign')} ${running === 1 ? 'runs within its' : 'run within their'} limits.`}
      </p>
    );
  }
  return (
    <section aria-labelledby="needs">
      <h2 id="needs" className={classes.needs}>
        {attention.length} {attention.length === 1 ? 'needs' : 'need'} a person
      </h2>
      <ul className={classes.list}>
        {attention.map((each) => (
          <Need key={`${each.kind} ${each.subject.id} ${each.sentence}`} attention={each} />
        ))}
      </ul>
    </section>
  );
}

function Need({ attention }: { attention: Attention }) {
  const [family, mark, label] = LOOKS[attention.kind];
  const look: Look = { family, mark, label };
  return (
    <li className={classes.need} data-family={family}>
      <span className={classes.needWhat}>
        <StateMark look={look} />
        <span>{attention.sentence}</span>
      </span>
      <span className="muted nowrap">{attention.since !== null && <Time at={attention.since} />}</span>
      <Door attention={attention} />
    </li>
  );
}

/** The one thing to do, where it is done. */
function Door({ attention }: { attention: Attention }) {
  const { kind, subject, action } = attention;
  const words = (
    <>
      {VERBS[action]}
      <span className="sr-only"> {subject.name}</span>
    </>
  );
  switch (subject.kind) {
    case 'campaign':
      return action === 'approve' ? (
        <Link to="/approvals/$name" params={{ name: subject.name }} search={{}} className={classes.act}>
          {words}
        </Link>
      ) : (
        <Link to="/campaigns/$name" params={{ name: subject.name }} search={{}} className={classes.act}>
          {words}
        </Link>
      );
    case 'gateway':
      return (
        <Link to="/fleet/gateways/$id" params={{ id: subject.id }} className={classes.act}>
          {words}
        </Link>
      );
    case 'device':
      return (
        <Link to="/fleet/devices/$id" params={{ id: subject.id }} className={classes.act}>
          {words}
        </Link>
      );
    case 'webhook':
      return (
        <Link to="/webhooks/$id" params={{ id: subject.id }} search={{}} className={classes.act}>
          {words}
        </Link>
      );
    default:
      // The fleet as a whole: the list that shows which ones.
      return kind === 'devices.rescue' ? (
        <Link to="/fleet/devices" search={{ show: 'rescue' }} className={classes.act}>
          {words}
        </Link>
      ) : (
        <Link to="/fleet/gateways" search={{ show: 'away' }} className={classes.act}>
          {words}
        </Link>
      );
  }
}
