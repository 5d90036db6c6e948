// preact's parts under one name, and the one that its standalone build lacks.
import { useState } from "./vendor/preact.mjs";

export { Component, html, render, useCallback, useEffect, useErrorBoundary, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.mjs";

let last = 0;

/** An id that no other element has. */
export const useId = () => useState(() => `id${(last += 1)}`)[0];
