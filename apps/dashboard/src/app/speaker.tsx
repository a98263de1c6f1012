/** What is said aloud to those who do not see it: changes of state politely, a halt at once. Numbers are silent. */
import { useEffect, useState } from 'react';
import type { CAMPAIGN_STATES } from '@drydock/contracts';
import { live } from '../live/live-link.js';

type CampaignState = (typeof CAMPAIGN_STATES)[number];
/** Names of campaigns by id, as pages have come to know them. */
const names = new Map<string, string>();

export function rememberCampaignName(id: string, name: string): void {
  if (names.size < 1000) names.set(id, name);
}

export function Speaker() {
  const [polite, setPolite] = useState('');
  const [urgent, setUrgent] = useState('');
  useEffect(() => {
    const states = new Map<string, CampaignState>();
    return live.onNews((news) => {
      if (!('event' in news) || news.event.type !== 'campaign') return;
      const { campaignId, state } = news.event;
      const before = states.get(campaignId);
      states.set(campaignId, state);
      if (before === undefined || before === state) return;
      const sentence = `Campaign ${names.get(campaignId) ?? campaignId.slice(0, 8)} is now ${state}.`;
      if (state === 'halted') setUrgent(sentence);
      else setPolite(sentence);
    });
  }, []);
  return (
    <div className="sr-only">
      <div role="status">{polite}</div>
      <div role="alert">{urgent}</div>
    </div>
  );
}
