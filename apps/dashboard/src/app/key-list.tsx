import { Checkbox } from '@mantine/core';
import { useState } from 'react';
import { Dialog } from '../pieces/dialog.js';
import { currentKeys, singleKeys } from './keys.js';

/** Every key that does something on this page. */
export default function KeyList({ close }: { close: () => void }) {
  const [on, setOn] = useState(singleKeys.on());
  return (
    <Dialog title="Keys" close={close}>
      <dl style={{ display: 'grid', gridTemplateColumns: 'auto 1fr', gap: '6px 16px', margin: 0 }}>
        {currentKeys().map(({ keys, does }) => (
          <div key={keys} style={{ display: 'contents' }}>
            <dt>
              <kbd>{keys.replace('Mod+k', '⌘K or Ctrl K').replace(/^ $/, 'Space')}</kbd>
            </dt>
            <dd style={{ margin: 0 }}>{does}</dd>
          </div>
        ))}
      </dl>
      <Checkbox
        mt="md"
        label="Single keys do something"
        checked={on}
        onChange={(event) => {
          singleKeys.set(event.currentTarget.checked);
          setOn(event.currentTarget.checked);
        }}
      />
    </Dialog>
  );
}
