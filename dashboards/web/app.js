// The frame around every page: who is signed in, the three answers, the way to the pages.
import { html, render, useEffect, useErrorBoundary, useState } from "./react.js";
import { Problem, ask, onSignedOut } from "./api.js";
import { useLive } from "./live.js";
import { go, link, usePlace } from "./router.js";
import { Choice, Lamp, Notice, keep } from "./ui.js";
import { local, visible } from "./format.js";
import { SignIn } from "./pages/signin.js";

const PAGES = {
  rollout: "Rollout",
  violations: "Violations",
  exchanges: "Exchanges",
  review: "Review",
  constitution: "Constitution",
  decisions: "Decisions",
  pipeline: "Pipeline",
};
const isPage = (name) => Object.hasOwn(PAGES, name);
const ENDED = new Problem(401, "The session has ended", "Sign in again to come back to this page");
const SIGNED_OUT = "tipstaff-signed-out";
const AGAIN_MS = 60_000;
const SOON_MS = 2_000;
const UNKNOWN = { level: "none", said: "not known yet" };

function App() {
  const [session, setSession] = useState({ state: "asking" });
  const check = async ({ left = false } = {}) => {
    const found = await ask("/api/v1/session").then((who) => ({ state: "in", ...who }), (error) => ({ state: error.status === 401 ? "out" : "failed", error }));
    setSession((was) => {
      if (was.state !== "in" || left || found.state === "in") return found;
      return found.state === "failed" ? { ...was } : { state: "out", error: ENDED }; // the browser has dropped the cookie by now
    });
  };
  useEffect(() => {
    check();
    const elsewhere = (event) => event.key === SIGNED_OUT && check(); // in another tab
    addEventListener("storage", elsewhere);
    const heard = onSignedOut(check);
    return () => {
      removeEventListener("storage", elsewhere);
      heard();
    };
  }, []);
  useEffect(() => { // a role may be another one by now, and a session ends; whoever is signed out asks nothing
    if (session.state !== "in") return undefined;
    const left = session.expires ? Date.parse(session.expires) - Date.now() + 500 : Infinity;
    const timer = setTimeout(check, Math.max(Math.min(left, AGAIN_MS), SOON_MS)); // clocks differ
    return () => clearTimeout(timer);
  }, [session]);
  if (session.state === "asking") return html`<main class="page"><p class="quiet" role="status">Loading …</p></main>`;
  if (session.state === "failed") {
    return html`<main class="page"><h1>tipstaff</h1><${Notice} level="bad"><p>${session.error.message}</p>
      <button type="button" onClick=${check}>Try again</button><//></main>`;
  }
  if (session.state === "out") return html`<${SignIn} done=${check} why=${session.error} />`;
  if (session.rights.includes("read")) return html`<${Frame} session=${session} check=${check} />`;
  return html`<main class="page"><h1>tipstaff</h1><p><${Who} session=${session} check=${check} /></p>
    <${Notice}>This role may follow the routing table, and see nothing of what is here: that takes a viewer.<//></main>`;
}

function Frame({ session, check }) {
  const place = usePlace();
  const { live, stale, since } = useLive();
  const models = live?.models ?? [];
  const model = place.query.model || models[0]?.model || "";
  const title = isPage(place.page) ? PAGES[place.page] : "Not found";
  useEffect(() => {
    document.title = `${title}${model ? ` · ${model}` : ""} · tipstaff`;
  }, [title, model]);
  useEffect(() => document.querySelector("main h1")?.focus({ preventScroll: true }), [place.page, place.id]);
  return html`
    <a class="skip" href="#main">To the content</a>
    <header class="top">
      <div class="bar">
        <a class="brand" href=${link("rollout", { model: place.query.model })}>tipstaff</a>
        <nav aria-label="Pages">${Object.entries(PAGES).map(([page, name]) => html`
          <a href=${link(page, { model: place.query.model })} aria-current=${page === place.page ? "page" : undefined}>${name}</a>`)}</nav>
        <div class="tools">
          ${models.length > 1 && html`<${Choice} label="Model" value=${model} options=${models.map((each) => [each.model, each.model])}
            onChange=${(chosen) => go(link(place.page, { model: chosen }))} />`}
          <${Theme} />
          <${Who} session=${session} check=${check} />
        </div>
      </div>
      <div class="lamps ${stale ? "old" : ""}" role="region" aria-label="At a glance">
        <${Lamp} name="Rollout" lamp=${live?.headline.rollout ?? UNKNOWN} />
        <${Lamp} name="Safety" lamp=${live?.headline.safety ?? UNKNOWN} />
        <${Lamp} name="Loss" lamp=${live?.headline.loss ?? UNKNOWN} />
      </div>
      ${stale && html`<${Notice} level="bad"><strong>Not live.</strong> ${since
        ? `What you see is as of ${local(since)}.` : "Nothing has been heard yet."} Trying to connect again …<//>`}
    </header>
    <main class="page" id="main">
      <h1 tabindex="-1">${title}${model && place.page !== "pipeline" ? html` <span class="of">${visible(model)}</span>` : ""}</h1>
      <${Warnings} live=${live} />
      <${Page} key=${place.page} place=${place} model=${model} live=${live} session=${session} />
    </main>
    <footer><span>tipstaff ${live?.version}</span> <a href="/docs" target="_blank" rel="noreferrer">API</a>
      ${" "}<a href="/runbook" target="_blank" rel="noreferrer">Runbook</a></footer>`;
}

function Warnings({ live }) {
  const found = live?.warnings ?? [];
  return found.length ? html`<details class="warnings"><summary>${found.length} ${found.length === 1 ? "warning" : "warnings"}: ${visible(found[0])}</summary>
    <ul>${found.map((each) => html`<li>${visible(each)}</li>`)}</ul></details>` : null;
}

/** The page's own module is loaded when it is first wanted. */
function Page(props) {
  const { page } = props.place;
  const [failure, forget] = useErrorBoundary();
  const [loaded, setLoaded] = useState({ page: "", of: null, error: null });
  useEffect(() => {
    forget();
    if (!isPage(page)) return;
    import(`./pages/${page}.js`).then(
      (module) => setLoaded({ page, of: module.default }),
      () => setLoaded({ page, error: new Problem(0, "", "this page's script could not be loaded: is the gateway there?") }),
    );
  }, [page]);
  if (!isPage(page)) return html`<p>There is no page here. <a href=${link("rollout")}>To the rollout</a></p>`;
  const error = failure ?? (loaded.page === page ? loaded.error : null);
  if (error) return html`<${Notice} level="bad"><p><strong>The page failed:</strong> ${error.message}</p>
    <button type="button" onClick=${() => location.reload()}>Load it again</button><//>`;
  return loaded.page === page ? html`<${loaded.of} ...${props} />` : html`<p class="quiet" role="status">Loading …</p>`;
}

const THEMES = { auto: ["◐", "as the machine"], light: ["☀", "light"], dark: ["☾", "dark"] };

function Theme() {
  const [theme, setTheme] = useState(() => document.documentElement.dataset.theme || "auto");
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(theme) + 1) % names.length];
  const turn = () => {
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    keep("tipstaff-theme", next);
    setTheme(next);
  };
  return html`<button type="button" class="plain" onClick=${turn} title="Colours: ${THEMES[theme][1]}"
    aria-label="Colours: ${THEMES[theme][1]}. Change to ${THEMES[next][1]}">${THEMES[theme][0]}</button>`;
}

function Who({ session, check }) {
  const leave = async () => {
    await ask("/api/v1/session", { method: "DELETE" }).catch(() => null);
    keep(SIGNED_OUT, String(Date.now()));
    check({ left: true });
  };
  const hint = session.expires ? `signed in until ${local(session.expires)}` : session.by === "machine" ? "No token is configured: only this machine may ask" : "";
  return html`<span class="who" title=${hint}>${session.by === "machine" ? "this machine" : session.name} <span class="role">${session.role}</span></span>
    ${session.by === "session" && html`<button type="button" class="plain" onClick=${leave}>Sign out</button>`}`;
}

render(html`<${App} />`, document.getElementById("app"));
