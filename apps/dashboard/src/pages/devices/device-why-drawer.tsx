/** Why is this device not updated? One reason for each campaign that it is a member of, newest first. */
import type { Device } from '../../data/shapes.js';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CopyButton } from '../../pieces/copy-button.js';
import { Drawer } from '../../pieces/drawer.js';
import { Part } from '../../pieces/page-state.js';
import { WhyAnswer } from '../../pieces/why-drawer.js';
import { deviceName } from '../fleet/device-look.js';
import { deviceWhyQuery } from './queries.js';

export interface DeviceWhyProps {
  readonly id: string;
  readonly device: Device | undefined;
  readonly close: () => void;
}

export function DeviceWhyDrawer({ id, device, close }: DeviceWhyProps) {
  const why = useQuery(deviceWhyQuery(id));
  return (
    <Drawer title={<>Why? {device && `${deviceName(device)} · ${device.model ?? 'model not known'}`}</>} close={close}>
      <Part query={why}>{(answer) => <Reasons deployments={answer.deployments} />}</Part>
      <div className="row small">
        <Link to="/fleet/devices/$id" params={{ id }}>
          Open the device
        </Link>
        <CopyButton text={location.href} label="Copy link" />
        {why.data && <CopyButton text={JSON.stringify(why.data, null, 2)} label="Copy JSON" />}
      </div>
    </Drawer>
  );
}

export function Reasons({ deployments }: { deployments: readonly Parameters<typeof WhyAnswer>[0]['why'][] }) {
  if (deployments.length === 0) {
    return <p className="muted">No campaign has it as a member, so nothing is planned for it.</p>;
  }
  return (
    <div className="stack" style={{ gap: 16 }}>
      {deployments.map((each) => (
        <section key={each.deploymentId} className="stack" aria-label={each.campaign.name}>
          <h3>
            <Link to="/campaigns/$name" params={{ name: each.campaign.name }} search={{ why: each.deviceId }}>
              {each.campaign.name}
            </Link>
          </h3>
          <WhyAnswer why={each} />
        </section>
      ))}
    </div>
  );
}
