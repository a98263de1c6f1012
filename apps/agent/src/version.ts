/** Version of the agent, as presence and enrolment state it. Kept equal to package.json by a spec. */
export const AGENT_VERSION = '0.1.0';
