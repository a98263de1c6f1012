/** The whole server: the platform, then the rooms. */
import { Module, type DynamicModule } from '@nestjs/common';
import { PlatformModule, type Platform } from './adapters/platform.module.js';
import { AccessModule } from './features/access/access.module.js';
import { AdvisoriesModule } from './features/advisories/advisories.module.js';
import { ArtifactsModule } from './features/artifacts/artifacts.module.js';
import { AuditModule } from './features/audit/audit.module.js';
import { CampaignsModule } from './features/campaigns/campaigns.module.js';
import { DispatchModule } from './features/dispatch/dispatch.module.js';
import { FleetModule } from './features/fleet/fleet.module.js';
import { HealthModule } from './features/insight/health/health.module.js';
import { InsightModule } from './features/insight/insight.module.js';
import { RawPortModule } from './features/raw-port/raw-port.module.js';
import { ReportsModule } from './features/reports/reports.module.js';
import { SystemModule } from './features/system/system.module.js';
import { WebhooksModule } from './features/webhooks/webhooks.module.js';
import { HttpModule } from './http/http.module.js';

@Module({})
export class AppModule {
  static of(platform: Platform): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.of(platform),
        HttpModule,
        AuditModule,
        AccessModule,
        HealthModule,
        FleetModule,
        ArtifactsModule,
        CampaignsModule,
        DispatchModule,
        ReportsModule,
        RawPortModule,
        InsightModule,
        AdvisoriesModule,
        SystemModule,
        WebhooksModule,
      ],
    };
  }
}
