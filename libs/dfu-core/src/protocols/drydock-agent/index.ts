export { drydockAgent } from './session.js';
export { dataOf, type AgentAnswer, type AgentRequest, type AgentWho } from './messages.js';
