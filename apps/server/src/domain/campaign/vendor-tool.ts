/** What a campaign that gives a raw port to a vendor's tool may say (decision 13). */
import { VENDOR_TOOL_GRACE_MS, type Policy, type Selector } from '@drydock/contracts';
import type { PolicyFault } from './check-policy.js';

/** Formats whose devices have a tool of their vendor's on a serial port. */
const FORMATS: ReadonlySet<string> = new Set(['csr-dfu']);

/** @param format of the artifact: what the device has to name afterwards. */
export function vendorToolFaults(policy: Policy, selector: Selector, format: string): PolicyFault[] {
  if (!policy.vendorTool) return [];
  const faults: PolicyFault[] = [];
  if (selector.devices?.length !== 1) {
    faults.push({
      path: 'selector.devices',
      message: 'A raw port belongs to one device. Name that one, and nothing else.',
    });
  }
  if (policy.membership !== 'frozen') {
    faults.push({ path: 'policy.membership', message: 'With vendorTool the one member is known: leave it frozen.' });
  }
  if (policy.urgent) {
    faults.push({ path: 'policy.urgent', message: 'A tool waits for its person. Leave urgent or vendorTool out.' });
  }
  if (!FORMATS.has(format)) {
    faults.push({
      path: 'policy.vendorTool',
      message: `Devices that take ${format} files are updated by Drydock itself. Leave vendorTool out.`,
    });
  }
  const needs = policy.vendorTool.minutes * 60_000 + VENDOR_TOOL_GRACE_MS;
  if (policy.timeouts.transferMs < needs) {
    faults.push({
      path: 'policy.timeouts.transferMs',
      message: `The tool has ${policy.vendorTool.minutes} minutes. Set transferMs to ${needs} or more, or leave it out.`,
    });
  }
  return faults;
}
