import { shellWord } from '../../pieces/copy-button.js';

/** What is run on a gateway to enrol it; the token goes in by the environment, where other users do not see it. */
export function agentCommand(token: string): string {
  const words = ['drydock-agent', 'run', '--state', '/var/lib/drydock-agent', '--site', '/etc/drydock/site.yaml'];
  return [`DRYDOCK_ENROL_TOKEN=${shellWord(token)}`, ...words, '--server', shellWord(location.origin)].join(' ');
}
