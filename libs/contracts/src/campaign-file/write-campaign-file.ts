/** A stored campaign as a file that means exactly the same. */
import { Document, isMap, isSeq, visit } from 'yaml';
import { fileOfCampaign, type StoredCampaign } from './map-draft.js';

/** Groups that are read best on one line, where they fit. */
const IN_LINE = new Set([
  'gate',
  'brake',
  'pace',
  'inFlight',
  'time',
  'approvals',
  'timeouts',
  'urgent',
  'vendorTool',
  'tags',
  'models',
  'sites',
  'gateways',
  'runningVersions',
  'strata',
  'firmware',
  'device',
  'link',
  'gateway',
  'server',
  'operator',
]);

/** @param restoreSha256 of the artifact that `policy.onAbort.restore` names. */
export function writeCampaignFile(campaign: StoredCampaign, restoreSha256?: string): string {
  const document = new Document(fileOfCampaign(campaign, restoreSha256), { version: '1.2' });
  visit(document, {
    Pair: (_, { key, value }) => {
      const name = (key as { value?: unknown } | null)?.value;
      if ((isMap(value) || isSeq(value)) && typeof name === 'string' && IN_LINE.has(name)) value.flow = true;
    },
    Seq: (_, node) => {
      for (const item of node.items) if (isMap(item) && !item.has('gate')) item.flow = true;
    },
  });
  return document.toString({ lineWidth: 110, flowCollectionPadding: false });
}
