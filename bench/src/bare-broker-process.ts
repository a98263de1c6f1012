/** A process of its own for the bare broker; says its address and ends when its parent goes. */
import { startBareBroker } from '@drydock/server/testing';

const broker = await startBareBroker();
process.on('disconnect', () => process.exit(0));
process.send!(broker.url);
