/** Approve or decline: the digest of what is on screen goes with it, so that nothing else is approved. */
import { answerOf } from '@drydock/api-client';
import { FRESH_SIGN_IN_MINUTES, type ApprovalItem, type Campaign } from '@drydock/contracts';
import { Button, Textarea } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changing, errorSentence } from '../../data/api.js';
import { useServerNow } from '../../live/use-live.js';
import { command, CopyButton } from '../../pieces/copy-button.js';
import { Allowed } from '../../pieces/page-state.js';
import { withFreshSignIn } from '../../session/fresh-sign-in.js';
import { useSession } from '../../session/use-session.js';
import classes from './approvals.module.css';

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth'];

export function Decide({ campaign, item }: { campaign: Campaign; item: ApprovalItem }) {
  const client = useQueryClient();
  const [comment, setComment] = useState('');
  const [wantsComment, setWantsComment] = useState(false);
  const { id } = campaign;
  const { planDigest, kind, you } = item;
  const renew = () => client.invalidateQueries({ predicate: ({ queryKey }) => RENEWED.has(String(queryKey[0])) });
  const approving = useMutation({
    mutationFn: () => {
      const reason = comment.trim() === '' ? {} : { reason: comment.trim() };
      return withFreshSignIn(() =>
        kind === 'gate'
          ? answerOf(
              changing.POST('/api/v1/campaigns/{id}/stages/{index}/approve', {
                params: { path: { id, index: item.stage!.index } },
                body: reason,
              }),
            )
          : answerOf(
              changing.POST('/api/v1/campaigns/{id}/approve', {
                params: { path: { id } },
                body: { ...reason, planDigest },
              }),
            ),
      );
    },
    onSettled: renew,
  });
  const declining = useMutation({
    mutationFn: () =>
      answerOf(
        changing.POST('/api/v1/campaigns/{id}/decline', {
          params: { path: { id } },
          body: { reason: comment.trim(), planDigest },
        }),
      ),
    onSettled: renew,
  });
  const error = approving.error ?? declining.error;
  const isBusy = approving.isPending || declining.isPending;
  const verb =
    kind === 'gate'
      ? 'Open the next stage'
      : item.needed === 1
        ? 'Approve this plan'
        : `Approve as ${ORDINALS[item.given.length] ?? 'next'} person`;
  return (
    <section className={classes.decide} aria-label="Your decision">
      <Textarea
        label="Comment"
        description={
          kind === 'gate'
            ? 'Optional; it stays in the decisions.'
            : 'Optional when you approve; needed when you decline.'
        }
        autosize
        minRows={2}
        maxRows={6}
        maxLength={500}
        value={comment}
        onChange={(event) => setComment(event.currentTarget.value)}
        error={wantsComment && comment.trim() === '' ? 'Say why: whoever made the plan reads it.' : undefined}
        disabled={!you.may}
      />
      {kind === 'campaign' && you.may && <SignInNotice />}
      {error !== null && <p role="alert">Not done. {errorSentence(error)}</p>}
      {!you.may && you.because !== null && <p>{you.because}</p>}
      <div className={classes.buttons}>
        <CopyButton text={command('campaign', 'approve', campaign.name)} label="Copy as command" />
        {kind === 'campaign' && (
          <Allowed why={you.may ? '' : (you.because ?? 'You cannot decline it.')}>
            {(disabled) => (
              <Button
                disabled={disabled || isBusy}
                onClick={() => {
                  setWantsComment(true);
                  if (comment.trim() !== '') declining.mutate();
                }}
              >
                Decline
              </Button>
            )}
          </Allowed>
        )}
        <Allowed why={you.may ? '' : (you.because ?? 'You cannot approve it.')}>
          {(disabled) => (
            <Button variant="filled" disabled={disabled} loading={isBusy} onClick={() => approving.mutate()}>
              {verb}
            </Button>
          )}
        </Allowed>
      </div>
    </section>
  );
}

const RENEWED = new Set(['approvals', 'campaigns', 'campaign', 'campaign-part', 'overview']);

/** Says beforehand that a fresh sign-in will be asked for. */
function SignInNotice() {
  const confirmedAt = useSession()?.confirmedAt;
  const now = useServerNow(10_000);
  if (confirmedAt && now - Date.parse(confirmedAt) < FRESH_SIGN_IN_MINUTES * 60_000) return null;
  return (
    <p className="small muted">
      You will be asked to sign in again: an approval needs a sign-in of the last {FRESH_SIGN_IN_MINUTES} minutes.
    </p>
  );
}
