// Keeps the main part of the page up to date, and takes a code out of the address. Everything works without it.
"use strict";

const code = document.getElementById("code");
if (code && location.hash.length > 1) {
  code.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
}

const main = () => document.getElementById("main");

// What somebody has typed or opened stays as it is.
function keep(from, to) {
  for (const field of from.querySelectorAll("input[id], textarea[id], select[id]")) {
    const same = to.querySelector("#" + CSS.escape(field.id));
    if (same) same.value = field.value;
  }
  for (const part of from.querySelectorAll("details[id][open]")) {
    to.querySelector("#" + CSS.escape(part.id))?.setAttribute("open", "");
  }
}

let busy = false;
let again = false;
async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(location.pathname, { headers: { "Huntbook-Live": "1" }, redirect: "manual" });
    if (!answer.ok) {
      location.reload();
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = document.adoptNode(page.getElementById("main"));
    const focus = document.activeElement?.id;
    keep(main(), fresh);
    main().replaceWith(fresh);
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  } catch {
    // Nobody answers; the next word comes when somebody does.
  } finally {
    busy = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

if (main()?.dataset.beat && document.querySelector("[data-signed-in]")) {
  const words = new EventSource("/live");
  words.onmessage = (word) => {
    if (word.data !== main().dataset.beat) refresh();
  };
  words.onerror = () => {
    if (words.readyState === EventSource.CLOSED) refresh();
  };
}
