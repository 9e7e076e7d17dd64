"use strict";
// Every action is a form that works without this file. With it, a decision shows the next image at once, which was
// fetched before, and is sent behind the reviewer's back; keys do what the buttons do.
(() => {
  const byId = (id) => document.getElementById(id);
  const said = byId("said");
  const help = byId("help");
  document.documentElement.classList.add("script");

  let quiet = 0;
  const tell = (text, wrong = false) => {
    said.textContent = text;
    said.classList.toggle("wrong", wrong);
    clearTimeout(quiet);
    quiet = setTimeout(() => (said.textContent = ""), wrong ? 12000 : 4000);
  };
  if (said.textContent) tell(said.textContent);

  // ---------------------------------------------------------------- pages, fetched before they are needed
  const fetched = new Map(); // address to the promise of its desk; what is shown is taken out, so nothing old comes back
  let left = null; // the last number that the server told, which a page that was fetched before does not know
  const load = (address) => {
    if (!fetched.has(address)) {
      const page = fetch(address).then(async (answer) => {
        const desk = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("desk");
        if (!answer.ok || !desk) throw new Error(`${answer.status} ${address}`);
        return desk;
      });
      page.catch(() => fetched.delete(address));
      fetched.set(address, page);
    }
    return fetched.get(address);
  };
  const prepare = () => {
    const desk = byId("desk");
    if (!desk) return;
    if (desk.dataset.preload) new Image().src = desk.dataset.preload;
    if (desk.dataset.next) load(desk.dataset.next).catch(() => {});
  };
  let shows = 0;
  const show = async (address, remember = true) => {
    const mine = ++shows;
    byId("desk").setAttribute("aria-busy", "true");
    try {
      const desk = await load(address);
      if (mine !== shows) return;
      fetched.delete(address);
      byId("desk").replaceWith(document.adoptNode(desk));
      showLeft();
    } catch {
      location.assign(address); // whatever it is, the browser shows it
      return;
    }
    if (remember) history.pushState(null, "", address);
    document.title = `${byId("desk").dataset.name} – ${document.title.split(" – ").pop()}`;
    scrollTo(0, 0);
    byId("main").focus({ preventScroll: true });
    prepare();
  };
  const showLeft = () => {
    const place = document.querySelector(".desk-bar .left strong");
    if (place && left !== null) place.textContent = left.toLocaleString("en-US");
  };
  const isBusy = () => byId("desk")?.getAttribute("aria-busy") === "true";

  // ---------------------------------------------------------------- decisions, one after the other
  let sending = Promise.resolve();
  let unsent = 0;
  const send = (address, fields) => {
    unsent += 1;
    const sent = sending.then(async () => {
      const headers = { Accept: "application/json" };
      const answer = await fetch(address, { method: "POST", body: fields, headers, keepalive: fields.toString().length < 60000 });
      const data = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
      if (!answer.ok) throw new Error(data.error);
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
  const decided = new Set(); // pages; one that was fetched early may name one of these as its next
  const decide = async (form, decision) => {
    if (isBusy()) return;
    const { here, next } = byId("desk").dataset;
    const fields = fieldsOf(form, decision);
    const early = decision !== "note" && next && !decided.has(next);
    const sent = send("/decide", fields);
    if (early) show(next);
    else byId("desk").setAttribute("aria-busy", "true");
    if (decision !== "note") decided.add(here);
    try {
      const data = await sent;
      left = data.left;
      showLeft();
      tell(`${data.said}. ${left.toLocaleString("en-US")} left.`);
      if (early) return;
      if (data.next.startsWith("/image/")) show(data.next, data.next !== here);
      else location.assign(data.next);
    } catch (error) {
      decided.delete(here);
      fetched.clear();
      left = null;
      await show(here);
      tell(error.message || "The server cannot be reached. Nothing was written.", true);
    }
  };
  const undo = async (form) => {
    if (isBusy()) return;
    try {
      const data = await send("/undo", fieldsOf(form));
      fetched.clear();
      decided.clear();
      left = data.left;
      if (byId("desk") && data.next.startsWith("/image/")) await show(data.next);
      else return location.assign(data.next);
      tell(data.said);
    } catch (error) {
      tell(error.message, true);
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const path = new URL(form.action, location.href).pathname;
    if (path === "/decide" && byId("desk")) {
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
  addEventListener("popstate", () => (byId("desk") ? show(location.pathname + location.search, false) : location.reload()));
  addEventListener("beforeunload", (event) => unsent && event.preventDefault());

  // ---------------------------------------------------------------- looking
  const compare = () => {
    const button = byId("larger");
    if (!button) return tell("There is nothing to compare it with.");
    const on = byId("desk").classList.toggle("comparing");
    button.setAttribute("aria-pressed", String(on));
    for (const image of document.querySelectorAll(".frames img[data-full]")) {
      if (on) image.src = image.dataset.full;
    }
    tell(on ? "Side by side" : "One image");
  };
  const zoom = () => {
    const actual = document.querySelector(".stage")?.classList.toggle("actual");
    tell(actual ? "One pixel for one pixel" : "All of the image");
  };

  // ---------------------------------------------------------------- keys
  const single = byId("single-keys");
  single.checked = localStorage.getItem("review-single-keys") !== "off";
  single.addEventListener("change", () => localStorage.setItem("review-single-keys", single.checked ? "on" : "off"));

  const press = (decision) => {
    const button = document.querySelector(`#decide button[value="${decision}"]`);
    if (button && !button.disabled) decide(byId("decide"), decision);
    else if (button) tell("That cannot be decided about this image.", true);
  };
  const open = (id, field) => {
    const details = byId(id);
    if (details) details.open = true;
    byId(field)?.focus();
  };
  const leave = () => {
    const again = byId("again");
    if (!again?.open) return location.assign(byId("desk").dataset.list);
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
    if (event.key === "Enter" && inControl) return; // it does what it always does
    const letters = event.key.length === 1;
    if (letters && !single.checked) return;
    const key = letters ? event.key.toLowerCase() : event.key;
    // Arrows scroll what can be scrolled, such as an image at one pixel for one pixel.
    if (key.startsWith("Arrow") && at.closest?.(".scroll, .stage.actual")) return;
    const action = key === "?" ? () => help.showModal() : (byId("desk") ? onImage : onList)[key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  prepare();
})();
