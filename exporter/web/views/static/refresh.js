// Refreshes the page in place every few seconds. Focus, scroll position, typed text, and open details stay as they are.
"use strict";

(() => {
  const EVERY = 10_000;
  const main = document.getElementById("main");
  const updated = document.getElementById("updated");
  const pause = document.getElementById("pause");
  let paused = false;

  const isRefreshed = document.querySelector("header nav [aria-current]") && !document.querySelector("main pre, #error");

  // Makes the children of one element equal to those of another, and touches only what differs. A child with an id keeps its element.
  function patch(now, then) {
    const known = byId(now);
    const coming = byId(then);
    let here = now.firstChild;
    for (const there of [...then.childNodes]) {
      const kept = there.id && known.get(there.id);
      // Remove what stands before it instead of moving it: an element that is moved loses the focus.
      while (kept && here && here !== kept && !coming.has(here.id)) here = drop(here);
      if (kept && kept !== here) now.insertBefore(kept, here);
      const match = kept || (here && !here.id && here.nodeName === there.nodeName ? here : null);
      if (!match) {
        now.insertBefore(there, here);
        continue;
      }
      update(match, there);
      here = match.nextSibling;
    }
    while (here) here = drop(here);
  }

  function byId(parent) {
    return new Map([...parent.children].filter((child) => child.id).map((child) => [child.id, child]));
  }

  function drop(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  function update(now, then) {
    if (now.nodeType !== Node.ELEMENT_NODE) {
      if (now.nodeValue !== then.nodeValue) now.nodeValue = then.nodeValue;
      return;
    }
    if (now.nodeName === "FORM" || now.isEqualNode(then)) return;
    for (const { name } of [...now.attributes]) {
      if (name !== "open" && !then.hasAttribute(name)) now.removeAttribute(name);
    }
    for (const { name, value } of then.attributes) {
      if (name !== "open" && now.getAttribute(name) !== value) now.setAttribute(name, value);
    }
    patch(now, then);
  }

  async function refresh() {
    const isBusy = paused || document.hidden || !getSelection().isCollapsed;
    if (!isBusy) {
      try {
        const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(EVERY) });
        if (!response.ok) throw new Error(response.status);
        const there = new DOMParser().parseFromString(await response.text(), "text/html");
        localTimes(there);
        if (!paused) {
          patch(main, there.getElementById("main"));
          updated.textContent = `Updated ${new Date().toTimeString().slice(0, 8)}`;
          updated.classList.remove("late");
        }
      } catch {
        updated.textContent = "The exporter is not responding";
        updated.classList.add("late");
      }
    }
    setTimeout(refresh, EVERY);
  }

  // An address without unused filters is easier to read and to share.
  document.addEventListener("submit", (event) => {
    for (const field of event.target.elements) field.disabled ||= field.name && !field.value;
  });
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form [name]")) field.disabled = false;
  });

  // A box of choices closes like a list of them.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) menu.open = menu.contains(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest(".menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  if (isRefreshed) {
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      updated.textContent = paused ? "Paused" : "";
      sessionStorage.setItem("paused", paused ? "yes" : "");
    });
    if (sessionStorage.getItem("paused")) pause.click();
    document.getElementById("live").hidden = false;
    setTimeout(refresh, EVERY);
  }
})();
