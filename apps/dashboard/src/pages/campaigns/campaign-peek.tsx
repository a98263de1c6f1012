import type { CampaignSummary } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { Drawer } from '../../pieces/drawer.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { ThreeShareBar } from '../../pieces/three-share-bar.js';
import { Time } from '../../pieces/time.js';

/** A campaign at a glance, beside the list. */
export function CampaignPeek({ campaign, close }: { campaign: CampaignSummary; close: () => void }) {
  return (
    <Drawer title={campaign.name} close={close}>
      <p>
        <StateMark look={campaignLook(campaign.state, campaign.sums)} strong /> since <Time at={campaign.stateAt} />
        {campaign.stateBy !== null && ` by ${campaign.stateBy}`}
      </p>
      {campaign.stateReason !== null && <p>“{campaign.stateReason}”</p>}
      <p className="muted">
        {campaign.artifact.model} {campaign.artifact.version}
      </p>
      <ThreeShareBar shares={campaign.shares} parts={campaign.parts} of={campaign.name} />
      {campaign.note !== '' && <p>{campaign.note}</p>}
      <p>
        <Link to="/campaigns/$name" params={{ name: campaign.name }} search={{}}>
          Open the campaign
        </Link>
      </p>
    </Drawer>
  );
}
