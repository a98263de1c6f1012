/** `webhook ls|show|test|resend`: whether other systems heard what happened. */
import { itemsOf, type components } from '@drydock/api-client';
import { DELIVERY_STATES, nearestOf } from '@drydock/contracts';
import { Option, type Command } from 'commander';
import type { Api } from '../api/connect.js';
import { isId } from '../api/find.js';
import { answerList, change, listed, look, type ListFlags, type Running } from '../define.js';
import { CliError } from '../errors/cli-error.js';
import { EXIT } from '../exit-codes.js';
import type { ChangeFlags } from '../prompt.js';
import { keptBy, plainWhere } from '../where.js';

type Webhook = components['schemas']['Webhook'];
type Delivery = components['schemas']['WebhookDelivery'];

export function addWebhook(program: Command, running: Running): void {
  const webhook = program.command('webhook').description('what other systems are told');
  listed(
    look<ListFlags>(webhook, running, 'ls', 'list webhooks', async (cli, _args, flags) => {
      const where = plainWhere(flags.where, ['name', 'url', 'enabled', 'failing', 'kind']);
      const api = await cli.api();
      await answerList(
        cli,
        flags,
        [
          { key: 'name', value: (row: Webhook) => row.name },
          {
            key: 'enabled',
            value: (row: Webhook) => (row.enabled ? 'yes' : `no: ${row.disabledReason ?? 'by a person'}`),
          },
          {
            key: 'health',
            value: (row: Webhook) =>
              row.failingSince === null ? 'well' : `failing since ${cli.out.times.at(row.failingSince)}`,
          },
          { key: 'last', title: 'LAST HEARD', value: (row: Webhook) => cli.out.times.since(row.lastSuccessAt) },
          { key: 'url', value: (row: Webhook) => row.url },
          { key: 'kinds', value: (row: Webhook) => row.kinds.join(' ') || 'all', hidden: true },
          { key: 'id', value: (row: Webhook) => row.id, hidden: true },
        ],
        async (page) => {
          const { items, next } = await api.ask(api.client.GET('/api/v1/webhooks', { params: { query: page } }));
          const kept = items.filter((row) =>
            keptBy(where, {
              name: row.name,
              url: row.url,
              enabled: String(row.enabled),
              failing: String(row.failingSince !== null),
              kind: row.kinds.length === 0 ? (where.kind ?? '') : row.kinds,
            }),
          );
          return { items: kept, ...(next !== undefined && { next }) };
        },
      );
    }),
    'name==NAME;url==*example*;enabled==true;failing==true;kind==KIND',
  );
  listed(
    look<ListFlags & { state?: Delivery['state'] }>(
      webhook,
      running,
      'show <name>',
      'its last deliveries, newest first',
      async (cli, [name = ''], flags) => {
        const api = await cli.api();
        const found = await findWebhook(api, name);
        const where = plainWhere(flags.where, ['state', 'kind']);
        const wanted = flags.state ?? where.state;
        const state = DELIVERY_STATES.find((each) => each === wanted);
        if (wanted !== undefined && state === undefined) {
          throw new CliError('usage.where', EXIT.refused, `${wanted} is no state of a delivery.`, {
            fix: `states are ${DELIVERY_STATES.join(', ')}`,
          });
        }
        await answerList(
          cli,
          flags,
          [
            { key: 'at', value: (row: Delivery) => cli.out.times.at(row.createdAt) },
            { key: 'kind', value: (row: Delivery) => row.kind },
            { key: 'state', value: (row: Delivery) => row.state },
            { key: 'attempts', value: (row: Delivery) => row.attempts, right: true },
            { key: 'next', value: (row: Delivery) => cli.out.times.at(row.nextAt) },
            { key: 'id', value: (row: Delivery) => row.id },
          ],
          async (page) => {
            const { items, next } = await api.ask(
              api.client.GET('/api/v1/webhooks/{id}/deliveries', {
                params: { path: { id: found.id }, query: { ...page, ...(state !== undefined && { state }) } },
              }),
            );
            const kept = items.filter(({ kind }) => keptBy({ kind: where.kind }, { kind }));
            return { items: kept, ...(next !== undefined && { next }) };
          },
        );
      },
    ).addOption(new Option('--state <state>', 'in this state').choices(DELIVERY_STATES)),
    'state==failed;kind==campaign.*',
  );
  change<ChangeFlags>(
    webhook,
    running,
    'test <name>',
    'send a webhook.ping now, and say what was answered',
    async (cli, [name = ''], flags) => {
      const api = await cli.api();
      const found = await findWebhook(api, name);
      if (flags.dryRun === true) {
        cli.out.answer({ dryRun: true, webhook: found.name }, () => [`Would send a webhook.ping to ${found.url}.`]);
        return EXIT.done;
      }
      const sent = await api.ask(api.client.POST('/api/v1/webhooks/{id}/ping', { params: { path: { id: found.id } } }));
      const last = sent.log.at(-1);
      cli.out.answer(sent, () => [
        `${found.name}: ${sent.state}${last ? `, ${last.responseCode ?? last.detail ?? 'no answer'} in ${last.durationMs} ms` : ''}`,
        ...(last?.responseBody ? [last.responseBody] : []),
      ]);
      return sent.state === 'delivered' ? EXIT.done : EXIT.unexpected;
    },
  );
  change<ChangeFlags>(
    webhook,
    running,
    'resend <name> <delivery>',
    'send one delivery once more',
    async (cli, [name = '', delivery = ''], flags) => {
      const api = await cli.api();
      const found = await findWebhook(api, name);
      if (!isId(delivery)) {
        throw new CliError('usage.id', EXIT.usage, `${delivery} is no id of a delivery.`, {
          fix: `drydock webhook show ${found.name}`,
        });
      }
      if (flags.dryRun === true) {
        cli.out.answer({ dryRun: true, webhook: found.name, delivery }, () => [
          `Would send ${delivery} to ${found.url} once more.`,
        ]);
        return;
      }
      const sent = await api.ask(
        api.client.POST('/api/v1/webhooks/{id}/deliveries/{delivery}/redeliver', {
          params: { path: { id: found.id, delivery } },
        }),
      );
      cli.out.answer(sent, () => [
        `${sent.kind} waits to be sent to ${found.name}.`,
        `  look    drydock webhook show ${found.name}`,
      ]);
    },
  );
}

async function findWebhook(api: Api, name: string): Promise<Webhook> {
  if (isId(name)) return api.ask(api.client.GET('/api/v1/webhooks/{id}', { params: { path: { id: name } } }));
  const names: string[] = [];
  const all = itemsOf((after) =>
    api.ask(
      api.client.GET('/api/v1/webhooks', { params: { query: { limit: 500, ...(after !== undefined && { after }) } } }),
    ),
  );
  for await (const one of all) {
    if (one.name === name) return one;
    names.push(one.name);
  }
  const nearest = nearestOf(name, names);
  throw new CliError('request.not-found', EXIT.notFound, `There is no webhook ${name}.`, {
    fix: nearest === undefined ? 'drydock webhook ls' : `did you mean ${nearest}?`,
  });
}
