// Which page is asked for: the path says which, the query what of it. Every state that matters has an address.
import { query } from "./api.js";
import { useEffect, useState } from "./react.js";

const BASE = "/dashboard/";

/** {page, id, query} of an address. */
export function parsed(address) {
  const url = new URL(address);
  const [page, id] = url.pathname.slice(BASE.length).split("/").map(decoded);
  return { page: page || "rollout", id: id || "", query: Object.fromEntries(url.searchParams) };
}

/** A part of a path in plain words; one that is no UTF-8 stays as it is. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** An address on this page: link("exchanges", {arm: "canary"}), link("exchanges/0a1b", {}). */
export function link(page, values = {}) {
  return `${BASE}${page}${query(values)}`;
}

/** Go there; `replace`: without a step that "back" would return to. */
export function go(href, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", href);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** The place that is shown, as state; links within the page do not load it anew. */
export function usePlace() {
  const [place, setPlace] = useState(() => parsed(location.href));
  useEffect(() => {
    const moved = () => setPlace(parsed(location.href));
    addEventListener("popstate", moved);
    document.addEventListener("click", followed);
    return () => {
      removeEventListener("popstate", moved);
      document.removeEventListener("click", followed);
    };
  }, []);
  return place;
}

function followed(event) {
  const anchor = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (!anchor || !plain || event.defaultPrevented || anchor.target || anchor.hasAttribute("download")) return;
  const url = new URL(anchor.href);
  if (url.origin !== location.origin || !url.pathname.startsWith(BASE)) return;
  if (anchor.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  go(anchor.href);
  const part = url.hash && document.getElementById(url.hash.slice(1));
  if (part) part.scrollIntoView();
  else scrollTo(0, 0);
}
