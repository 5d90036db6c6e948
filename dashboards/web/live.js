// What the gateway says by itself: a snapshot of everything that matters, pushed over server-sent events.
import { useCallback, useEffect, useRef, useState } from "./react.js";
import { ask } from "./api.js";

const SILENT_MS = 12_000;
const FIRST_MS = 1_000;
const LONGEST_MS = 15_000;
const APART_MS = 1_500;

/**
 * {live, stale, since}: the last snapshot (null before the first), whether the connection is lost, and when the snapshot
 * came. A lost connection is tried again, after 1, 2, 4 ... 15 seconds.
 */
export function useLive(wanted) {
  const [state, setState] = useState({ live: null, stale: false, since: null });
  useEffect(() => {
    if (!wanted) return undefined;
    const stream = new Stream((live) => setState({ live, stale: false, since: Date.now() }), () => setState((was) => ({ ...was, stale: true })));
    stream.open();
    return () => stream.close();
  }, [wanted]);
  return state;
}

class Stream {
  constructor(heard, lost) {
    this.heard = heard;
    this.lost = lost;
    this.wait = FIRST_MS;
    this.ended = false;
  }

  open() {
    this.source = new EventSource("/api/v1/live/stream");
    this.source.addEventListener("live", (event) => {
      this.wait = FIRST_MS;
      this.watch();
      this.heard(JSON.parse(event.data));
    });
    this.source.onerror = () => this.failed();
    this.watch();
  }

  watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.again(), SILENT_MS);
  }

  failed() {
    // After a regular end the browser connects again by itself; a silence that lasts is noticed by `watch`.
    if (this.source.readyState === EventSource.CLOSED) this.again();
    else this.refused ??= setTimeout(() => this.checked(), 3_000);
  }

  checked() {
    this.refused = undefined;
    if (this.source.readyState !== EventSource.OPEN) this.again();
  }

  again() {
    this.source.close();
    clearTimeout(this.silence);
    if (this.ended) return;
    this.lost();
    ask("/api/v1/live").catch(() => null); // says whether one is still signed in
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_MS);
  }

  close() {
    this.ended = true;
    for (const timer of [this.silence, this.refused, this.timer]) clearTimeout(timer);
    this.source.close();
  }
}

/**
 * {data, error, loading, reload}: the answer to GET `path`; asked again whenever `mark` changes, at most every 1.5 s. What was
 * there stays while it is asked anew or fails. `path` null: nothing is asked.
 */
export function useData(path, mark = "") {
  const [state, setState] = useState({ path, data: null, error: null });
  const [turn, setTurn] = useState(0);
  const asked = useRef({ path: null, at: 0 });
  const questions = useRef(0);
  const wanted = useRef(path);
  wanted.current = path;
  useEffect(() => {
    if (!path) return undefined;
    const early = asked.current.path === path ? asked.current.at + APART_MS - Date.now() : 0;
    const timer = setTimeout(async () => {
      asked.current = { path, at: Date.now() };
      const mine = (questions.current += 1);
      const found = await ask(path).then((data) => ({ data }), (error) => ({ error }));
      if (wanted.current !== path) return;
      setState((was) => {
        if (was.path !== path) return { path, data: null, error: null, ...found, mine };
        return was.mine > mine ? was : { ...was, error: null, ...found, mine }; // a newer question was answered before
      });
    }, Math.max(0, early));
    return () => clearTimeout(timer);
  }, [path, mark, turn]);
  const reload = useCallback(() => {
    asked.current.at = 0;
    setTurn((before) => before + 1);
  }, []);
  const fits = state.path === path;
  const data = fits ? state.data : null;
  const error = fits ? state.error : null;
  return { data, error, loading: !data && !error && Boolean(path), reload };
}
