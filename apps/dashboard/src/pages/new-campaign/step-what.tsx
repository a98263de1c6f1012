import { Textarea, TextInput } from '@mantine/core';
import { ArtifactChoice } from './artifact-choice.js';
import { faultAt, usePlanDesk } from './plan-context.js';
import { suggestedName } from './plan-form.js';
import classes from './new-campaign.module.css';

/** What is sent, and what the campaign is called. */
export function WhatStep() {
  const { form, artifact, set, faults } = usePlanDesk();
  return (
    <>
      <ArtifactChoice
        value={form.artifactId}
        error={faultAt(faults, 'artifactId')}
        onChange={(chosen) => {
          // A name that was only proposed follows what is sent.
          const proposed = artifact && suggestedName(artifact.model, artifact.version);
          if (form.name === '' || form.name === proposed) set('name', suggestedName(chosen.model, chosen.version));
          set('artifactId', chosen.id);
        }}
      />
      <TextInput
        label="Name"
        description="It is in the address of its page and in every command."
        value={form.name}
        onChange={(event) => set('name', event.currentTarget.value)}
        error={faultAt(faults, 'name')}
        autoComplete="off"
        spellCheck={false}
        className={classes.field}
        style={{ maxWidth: 420 }}
      />
      <Textarea
        label="Note (optional)"
        description="What it is for: whoever approves it reads this."
        autosize
        minRows={2}
        maxRows={8}
        maxLength={2000}
        value={form.note}
        onChange={(event) => set('note', event.currentTarget.value)}
        error={faultAt(faults, 'note')}
        style={{ maxWidth: 640 }}
      />
    </>
  );
}
