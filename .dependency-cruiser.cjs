/** No cycles anywhere, dynamic imports included: a second opinion beside lint. */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'A cycle hides a third module. Find it and give it a name.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'agent-rooms',
      severity: 'error',
      comment: 'main.ts is the only file of the agent that knows every concrete class.',
      from: { path: '^apps/agent/src/(journal|driver)/' },
      to: { path: '^apps/agent/src/(uplink|commands|links/(ble|uart|udp))/', pathNot: '\\.spec\\.ts$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(dist|out-tsc|\\.spec\\.ts$)' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      conditionNames: ['@drydock/source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
