/** One queue for all messages of a gateway: its presence is handled before the inventory that came after it. */
import { Injectable } from '@nestjs/common';
import { KeyedQueue } from './keyed-queue.js';

@Injectable()
export class GatewayQueue extends KeyedQueue {}
