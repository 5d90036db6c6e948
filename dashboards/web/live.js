// What the gateway says by itself: a snapshot of everything that matters, pushed over server-sent events.
import { useCallback, useEffect, useRef, useState } from "./react.js";
import { ask } from "./api.js";

const SILENT_MS = 10_000;
const STUCK_MS = 2_000;
const FIRST_MS = 1_000;
const LONGEST_MS = 10_000;
const APART_MS = 1_500;
const FAILED_MS = 5_000;
const PATIENCE_MS = 30_000;

/**
 * {live, stale, since}: the last snapshot (null before the first), whether nothing comes any more, and when the snapshot came.
 * A lost connection is tried again, after 1, 2, 4 ... 10 seconds, and each time the snapshot is asked for instead: enough
 * where too many follow. A tab that nobody sees has no connection: a browser gives an origin only six.
 */
export function useLive() {
  const [state, setState] = useState({ live: null, stale: false, since: null });
  useEffect(() => {
    const stream = new Stream((live) => setState({ live, stale: false, since: Date.now() }), () => setState((was) => ({ ...was, stale: true })));
    const seen = () => (document.hidden ? stream.close() : stream.open());
    seen();
    document.addEventListener("visibilitychange", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      stream.close();
    };
  }, []);
  return state;
}

/** At most one connection: `open` and `close` both end the one before, and whatever waits for it. */
class Stream {
  constructor(heard, lost) {
    this.heard = heard;
    this.lost = lost;
    this.wait = FIRST_MS;
    this.many = 0; // snapshots that came
  }

  open() {
    this.close();
    this.source = new EventSource("/api/v1/live/stream");
    this.source.addEventListener("live", (event) => {
      this.wait = FIRST_MS;
      clearTimeout(this.stuck);
      this.stuck = undefined;
      this.watch();
      this.many += 1;
      this.heard(JSON.parse(event.data));
    });
    this.source.onerror = () => {
      // After a regular end the browser connects again by itself.
      if (this.source.readyState === EventSource.CLOSED) this.again();
      else this.stuck ??= setTimeout(() => this.again(), STUCK_MS);
    };
    this.watch();
  }

  watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.again(), SILENT_MS);
  }

  /** Asked for at once, which also says whether one is still signed in; followed again after a while. */
  again() {
    this.close();
    const { many } = this;
    const unless = (act) => (found) => many === this.many && act(found); // the stream was quicker
    ask("/api/v1/live", { signal: AbortSignal.timeout(STUCK_MS) }).then(unless(this.heard), unless(this.lost));
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_MS);
  }

  close() {
    for (const timer of [this.silence, this.stuck, this.timer]) clearTimeout(timer);
    this.stuck = undefined;
    this.source?.close();
  }
}

/**
 * {data, error, loading, reload}: the answer to GET `path`; asked again whenever `mark` changes, one question at a time and at
 * most every 1.5 s; and again where none came. What was there stays while it is asked anew or fails. `path` null: nothing is asked.
 */
export function useData(path, mark = "") {
  const [state, setState] = useState({ path, data: null, error: null });
  const [turn, setTurn] = useState(0);
  const asked = useRef({ path: null, at: 0, answered: null });
  const wanted = useRef(path);
  wanted.current = path;
  useEffect(() => {
    if (!path) return undefined;
    let current = true;
    const early = asked.current.path === path ? asked.current.at + APART_MS - Date.now() : 0;
    const timer = setTimeout(async () => {
      if (asked.current.path === path) await asked.current.answered;
      if (!current) return;
      const answered = ask(path, { signal: AbortSignal.timeout(PATIENCE_MS) }).then((data) => ({ data, error: null }), (error) => ({ error }));
      asked.current = { path, at: Date.now(), answered };
      const found = await answered;
      if (wanted.current !== path || asked.current.answered !== answered) return;
      setState((was) => ({ data: was.path === path ? was.data : null, path, ...found }));
    }, Math.max(0, early));
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [path, mark, turn]);
  const reload = useCallback(() => {
    asked.current.at = 0;
    setTurn((before) => before + 1);
  }, []);
  const { data, error } = state.path === path ? state : { data: null, error: null };
  useEffect(() => {
    if (!error || (error.status > 0 && error.status < 500)) return undefined;
    const timer = setTimeout(reload, FAILED_MS);
    return () => clearTimeout(timer);
  }, [error]);
  return { data, error, loading: !data && !error && Boolean(path), reload };
}
