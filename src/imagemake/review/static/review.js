"use strict";
// Every action is a form that works without this script. The script prefetches the next image, shows it as soon as the
// reviewer decides, sends the decision in the background, and adds keyboard shortcuts.
(() => {
  const byId = (id) => document.getElementById(id);
  const toast = byId("toast");
  const help = byId("help");
  document.documentElement.classList.add("script");

  let hideTimer = 0;
  const notify = (text, isError = false) => {
    toast.textContent = text;
    toast.classList.toggle("error", isError);
    clearTimeout(hideTimer);
    hideTimer = setTimeout(() => (toast.textContent = ""), isError ? 12000 : 4000);
  };
  if (toast.textContent) notify(toast.textContent);

  // ---------------------------------------------------------------- prefetched pages
  const fetched = new Map(); // address to a promise of its viewer element; removed when shown, so that it is never stale
  let left = null; // the last count from the server, which is newer than that of a prefetched page
  const load = (address) => {
    if (!fetched.has(address)) {
      const page = fetch(address).then(async (response) => {
        const viewer = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("viewer");
        if (!response.ok || !viewer) throw new Error(`${response.status} ${address}`);
        return viewer;
      });
      page.catch(() => fetched.delete(address));
      fetched.set(address, page);
    }
    return fetched.get(address);
  };
  const prefetch = () => {
    const viewer = byId("viewer");
    if (!viewer) return;
    if (viewer.dataset.preload) new Image().src = viewer.dataset.preload;
    if (viewer.dataset.next) load(viewer.dataset.next).catch(() => {});
  };
  let lastShow = 0;
  const show = async (address, remember = true) => {
    const thisShow = ++lastShow;
    byId("viewer").setAttribute("aria-busy", "true");
    try {
      const viewer = await load(address);
      if (thisShow !== lastShow) return; // a later call shows another page
      fetched.delete(address);
      byId("viewer").replaceWith(document.adoptNode(viewer));
      showLeft();
    } catch {
      location.assign(address); // lets the browser show the page or the error
      return;
    }
    if (remember) history.pushState(null, "", address);
    document.title = `${byId("viewer").dataset.name} – ${document.title.split(" – ").pop()}`;
    scrollTo(0, 0);
    byId("main").focus({ preventScroll: true });
    prefetch();
  };
  const showLeft = () => {
    const counter = document.querySelector(".viewer-bar .left strong");
    if (counter && left !== null) counter.textContent = left.toLocaleString("en-US");
  };
  const isBusy = () => byId("viewer")?.getAttribute("aria-busy") === "true";

  // ---------------------------------------------------------------- decisions, sent in order
  let sending = Promise.resolve();
  let unsent = 0;
  const send = (address, fields) => {
    unsent += 1;
    const sent = sending.then(async () => {
      const headers = { Accept: "application/json" };
      const keepalive = fields.toString().length < 60000; // browsers allow no more
      const response = await fetch(address, { method: "POST", body: fields, headers, keepalive });
      const data = await response.json().catch(() => ({ error: `The server returned status ${response.status}.` }));
      if (!response.ok) throw new Error(data.error);
      return data;
    });
    sending = sent.catch(() => {}).finally(() => (unsent -= 1));
    return sent;
  };
  const fieldsOf = (form, decision) => {
    const fields = new URLSearchParams(new FormData(form));
    if (decision) fields.set("decision", decision);
    return fields;
  };
  const decided = new Set(); // addresses of decided images, which a prefetched page may still name as its next one
  const decide = async (form, decision) => {
    if (isBusy()) return;
    const { here, next } = byId("viewer").dataset;
    const fields = fieldsOf(form, decision);
    const showsNextNow = decision !== "note" && next && !decided.has(next);
    const sent = send("/decide", fields);
    if (showsNextNow) show(next);
    else byId("viewer").setAttribute("aria-busy", "true");
    if (decision !== "note") decided.add(here);
    try {
      const data = await sent;
      left = data.left;
      showLeft();
      notify(`${data.message}. ${left.toLocaleString("en-US")} left.`);
      if (showsNextNow) return;
      if (data.next.startsWith("/image/")) show(data.next, data.next !== here);
      else location.assign(data.next);
    } catch (error) {
      decided.delete(here);
      fetched.clear();
      left = null;
      await show(here);
      notify(error.message || "The server is unreachable. Your decision was not saved.", true);
    }
  };
  const undo = async (form) => {
    if (isBusy()) return;
    try {
      const data = await send("/undo", fieldsOf(form));
      fetched.clear();
      decided.clear();
      left = data.left;
      if (byId("viewer") && data.next.startsWith("/image/")) await show(data.next);
      else return location.assign(data.next);
      notify(data.message);
    } catch (error) {
      notify(error.message, true);
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const path = new URL(form.action, location.href).pathname;
    if (path === "/decide" && byId("viewer")) {
      event.preventDefault();
      decide(form, event.submitter.value);
    } else if (path === "/undo") {
      event.preventDefault();
      undo(form);
    }
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#next, #previous");
    if (event.target.closest?.("#open-help")) help.showModal();
    else if (event.target.closest?.("#larger")) compare();
    else if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      if (!isBusy()) show(link.getAttribute("href"));
    }
  });
  addEventListener("popstate", () => (byId("viewer") ? show(location.pathname + location.search, false) : location.reload()));
  addEventListener("beforeunload", (event) => unsent && event.preventDefault());

  // ---------------------------------------------------------------- views
  const compare = () => {
    const button = byId("larger");
    if (!button) return notify("No other image to compare with.");
    const on = byId("viewer").classList.toggle("comparing");
    button.setAttribute("aria-pressed", String(on));
    for (const image of document.querySelectorAll(".frames img[data-full]")) {
      if (on) image.src = image.dataset.full;
    }
    notify(on ? "Side by side" : "Single image");
  };
  const zoom = () => {
    const actual = document.querySelector(".stage")?.classList.toggle("actual");
    notify(actual ? "Actual size" : "Whole image");
  };

  // ---------------------------------------------------------------- keyboard shortcuts
  const single = byId("single-keys");
  single.checked = localStorage.getItem("review-single-keys") !== "off";
  single.addEventListener("change", () => localStorage.setItem("review-single-keys", single.checked ? "on" : "off"));

  const press = (decision) => {
    const button = document.querySelector(`#decide button[value="${decision}"]`);
    if (button && !button.disabled) decide(byId("decide"), decision);
    else if (button) notify("This decision is not possible for this image.", true);
  };
  const open = (id, field) => {
    const details = byId(id);
    if (details) details.open = true;
    byId(field)?.focus();
  };
  const leave = () => {
    const again = byId("again");
    if (!again?.open) return location.assign(byId("viewer").dataset.list);
    again.open = false;
    byId("main").focus();
  };
  const onImage = {
    a: () => press("approve"),
    r: () => press("reject"),
    g: () => open("again", "patch"),
    n: () => byId("note").focus(),
    u: () => undo(byId("undo-form")),
    j: () => byId("next")?.click(),
    k: () => byId("previous")?.click(),
    ArrowRight: () => byId("next")?.click(),
    ArrowLeft: () => byId("previous")?.click(),
    c: compare,
    z: zoom,
    Escape: leave,
  };
  const move = (step) => {
    const cards = [...document.querySelectorAll(".card .open")];
    const now = cards.indexOf(document.activeElement);
    cards[Math.min(cards.length - 1, Math.max(0, now + step))]?.focus();
  };
  const onList = {
    Enter: () => byId("start")?.click(),
    "/": () => byId("query").focus(),
    u: () => undo(byId("undo").form),
    j: () => move(1),
    k: () => move(-1),
    x: () => document.activeElement.closest(".card")?.querySelector("input[type=checkbox]").click(),
  };
  document.addEventListener("keydown", (event) => {
    const at = event.target;
    const typing = at.matches?.("textarea, select, input:not([type=checkbox], [type=radio])");
    if (typing && event.key === "Enter" && (event.ctrlKey || event.metaKey) && at.closest("#decide")) {
      event.preventDefault();
      press(at.id === "note" ? "note" : "regenerate");
    } else if (typing && event.key === "Escape") {
      event.preventDefault();
      (byId("main") ?? document.body).focus();
    }
    if (typing || help.open || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const inControl = at.matches?.("a, button, summary, input");
    if (event.key === "Enter" && inControl) return; // activates the control
    const letters = event.key.length === 1;
    if (letters && !single.checked) return;
    const key = letters ? event.key.toLowerCase() : event.key;
    // Arrow keys scroll scrollable elements, such as an image at actual size.
    if (key.startsWith("Arrow") && at.closest?.(".scroll, .stage.actual")) return;
    const action = key === "?" ? () => help.showModal() : (byId("viewer") ? onImage : onList)[key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  prefetch();
})();
