export { startServer, type RunningServer } from './start-server.js';
export { readSettings, settingsPage, SettingsError, type Settings } from './settings/settings.js';
export { SETTING_TABLE } from './settings/setting-table.js';
export { describeApi } from './describe-api.js';
