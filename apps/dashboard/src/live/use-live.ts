import { useEffect, useState, useSyncExternalStore } from 'react';
import { live } from './live-link.js';
import { livenessOf, type Liveness, type LiveState, type Transfer } from './live-store.js';

/** This moment by the server's clock, renewed every so often; it goes on when the connection is cut. */
export function useServerNow(everyMs = 1_000): number {
  const [now, setNow] = useState(() => Date.now() + live.state().clockOffsetMs);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() + live.state().clockOffsetMs), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Whether what is on screen is fresh; looked at each second. */
export function useLiveness(): Liveness {
  const [liveness, setLiveness] = useState<Liveness>(() => livenessOf(live.state(), Date.now()));
  useEffect(() => {
    const look = () => setLiveness(livenessOf(live.state(), Date.now()));
    const timer = setInterval(look, 1_000);
    const unsubscribe = live.subscribe(look);
    return () => {
      clearInterval(timer);
      unsubscribe();
    };
  }, []);
  return liveness;
}

const transfersOf = (): LiveState['transfers'] => live.state().transfers;

/** Bytes of a transfer under way, as its gateway last told; undefined where nothing is known. */
export function useTransfer(deploymentId: string | undefined): Transfer | undefined {
  const transfers = useSyncExternalStore(live.subscribe, transfersOf);
  return deploymentId === undefined ? undefined : transfers.get(deploymentId);
}
