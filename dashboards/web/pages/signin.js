// Signing in with an admin token.
import { html, useEffect, useRef, useState } from "../react.js";
import { ask } from "../api.js";
import { Notice } from "../ui.js";

const ENDED = "The session has ended";

/** `done` is called once somebody is signed in. `why`: the Problem that says why nobody is. */
export function SignIn({ done, why }) {
  const [token, setToken] = useState("");
  const [state, setState] = useState({ busy: false, error: null });
  const field = useRef(null);
  useEffect(() => {
    document.title = "Sign in · tipstaff";
    field.current.focus();
  }, []);
  const send = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null });
    try {
      await ask("/api/v1/session", { method: "POST", body: { token: token.trim() } });
      done();
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return html`<main class="page signin">
    <h1>tipstaff</h1>
    ${why.title === ENDED && html`<${Notice}>${ENDED}. ${why.message}.<//>`}
    <form onSubmit=${send}>
      <label for="token">Admin token</label>
      <input id="token" type="password" autocomplete="current-password" required ref=${field} value=${token}
        onInput=${(event) => setToken(event.target.value)} />
      ${state.error && html`<${Notice} level="bad">${state.error.title}. ${state.error.message}<//>`}
      <button type="submit" class="main" disabled=${state.busy || !token.trim()}>${state.busy ? "Signing in …" : "Sign in"}</button>
      <p class="quiet">Tokens are made with <code>tipstaff token</code> and stand in the configuration as <code>admin_tokens</code>.
        A viewer sees numbers, an auditor also texts, an operator also changes things.</p>
    </form>
  </main>`;
}
