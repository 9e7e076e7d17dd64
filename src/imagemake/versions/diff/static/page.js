(() => {
  const CHUNK = 40; // cards added at a time, as the reader scrolls near the end
  const { cards, images } = pageData;
  const [list, more, query, reason, least, order, view] = ["cards", "more", "query", "reason", "least", "order", "view"].map(byId);
  const byName = (a, b) => collator.compare(a.name, b.name);
  const farthest = (read) => (a, b) => (read(b) ?? -Infinity) - (read(a) ?? -Infinity) || byName(a, b);
  const orders = {
    color: farthest((card) => card.delta_e),
    structure: farthest((card) => (card.ssim === undefined ? undefined : -card.ssim)),
    hash: farthest((card) => card.hash_bits),
    name: byName,
  };
  const kinds = { changed: "Changed", added: "Added", removed: "Removed", renamed: "Renamed" };
  let shown = []; // the changes that match, in order
  let drawn = 0; // how many of them have a card

  // ---------------------------------------------------------------- images
  const lacking = (side, place) => el("p", { className: `lacking ${place}` }, side ? `No image: ${side.note}` : "This page has only the most different images.");
  const image = (card, side, className, what) => el("img", { className: side.transparent ? `${className} transparent` : className, alt: `${card.name}, ${what}`, decoding: "async", draggable: false, src: images[side.image] });
  const has = (side) => side !== undefined && side.image !== null;
  const single = (card, side, what) => el("div", { className: "compare single" }, has(side) ? image(card, side, "only", what) : lacking(side, ""));
  const both = (card) => {
    const [old, now] = [card.before, card.after];
    if (!old && !now) return el("div", { className: "compare single" }, lacking(undefined, ""));
    const stage = el("div", { className: "compare" });
    stage.append(
      has(old) ? image(card, old, "old", "before") : lacking(old, "half-left"),
      has(now) ? image(card, now, "new", "after") : lacking(now, "half-right"),
      el("span", { className: "edge" }),
      el("span", { className: "tag left", "aria-hidden": "true" }, "before"),
      el("span", { className: "tag right", "aria-hidden": "true" }, "after"),
    );
    if (has(old) && has(now)) stage.append(slider(card, stage));
    return stage;
  };
  const slider = (card, stage) => {
    const input = el("input", { type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": `${card.name}: share of the previous image that is shown` });
    const move = () => {
      stage.style.setProperty("--at", `${input.value}%`);
      stage.style.setProperty("--share", String(input.value / 100));
      input.setAttribute("aria-valuetext", `${input.value}% before, ${100 - input.value}% after`);
    };
    input.addEventListener("input", move);
    move();
    return input;
  };
  const stageOf = (card) => {
    const stage = card.kind === "added" ? single(card, card.after, "added") : card.kind === "removed" ? single(card, card.before, "removed") : both(card);
    const [width, height] = card.after?.size_px ?? card.before?.size_px ?? [1, 1];
    stage.style.setProperty("--shape", String(Math.min(2, Math.max(0.6, width / height))));
    return stage;
  };

  // ---------------------------------------------------------------- cards
  const distance = (card) =>
    [
      card.delta_e === undefined ? "" : `ΔE ${card.delta_e.toFixed(1)}`,
      card.ssim === undefined ? "" : `SSIM ${card.ssim.toFixed(2)}`,
      card.hash_bits === undefined ? "" : `hash ${card.hash_bits}/64`,
    ]
      .filter(Boolean)
      .join(" · ");
  const words = (parts) => el("p", { className: "words", dir: "auto", tabIndex: 0 }, ...parts.map(([mark, text]) => (mark === "=" ? text : el(mark === "-" ? "del" : "ins", {}, text))));
  const text = ([column, parts]) => el("section", {}, el("h3", {}, column.replace("_", " ")), words(parts));
  const valued = (rows) => el("dl", { className: "pairs" }, ...rows.flatMap(([column, old, now]) => [el("dt", { dir: "auto" }, column), el("dd", { dir: "auto" }, `${old || "(none)"} → ${now || "(none)"}`)]));
  const sizes = (card) => {
    const [old, now] = [card.before?.size_px, card.after?.size_px];
    if (!old || !now || String(old) === String(now)) return null;
    return el("p", { className: "note" }, `${old.join(" × ")} px → ${now.join(" × ")} px`);
  };
  const ofOutput = (card) => (card.output ? el("p", { className: "note" }, `Shown are the files of ${card.output}, because the main image is unchanged.`) : null);
  const notes = (card) => ["before", "after"].filter((side) => has(card[side]) && card[side].note).map((side) => el("p", { className: "note" }, `Image ${side}: ${card[side].note}.`));
  const draw = (card) => {
    const verdict = card.kind === "added" ? card.verdicts[1] : card.kind === "removed" ? card.verdicts[0] : "";
    const line = el("div", { className: "line" }, el("span", { className: `badge kind-${card.kind}` }, kinds[card.kind]), ...(card.reasons ?? []).map((why) => el("span", { className: "why" }, why)));
    if (verdict) line.append(el("span", { className: "why" }, verdict));
    const far = distance(card);
    if (far) line.append(el("span", { className: "far" }, far));
    const values = card.values ? valued(card.values) : null;
    const about = el("div", { className: "about" }, line, ...(card.texts ?? []).map(text), values, sizes(card), ofOutput(card), ...notes(card));
    return el("article", { className: "card", "aria-label": card.name }, stageOf(card), el("h2", { className: "name", dir: "auto" }, card.name), about);
  };
  const drawMore = (most) => {
    const fragment = document.createDocumentFragment();
    const until = Math.min(shown.length, drawn + most);
    for (; drawn < until; drawn += 1) fragment.append(draw(shown[drawn]));
    list.append(fragment);
  };

  // ---------------------------------------------------------------- filters
  const haystackOf = (card) => (card.haystack ??= [card.name, ...(card.texts ?? []).flatMap(([, parts]) => parts.map(([, part]) => part).join("")), ...(card.values ?? []).flat()].join("\n").toLowerCase());
  const kind = () => chips.find((chip) => chip.getAttribute("aria-pressed") === "true").dataset.kind;
  const press = (active) => chips.forEach((chip) => chip.setAttribute("aria-pressed", String(chip.dataset.kind === active)));
  const update = () => {
    const terms = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const [onlyKind, onlyReason, atLeast] = [kind(), reason.value, Number(least.value)];
    shown = cards
      .filter((card) => !onlyKind || card.kind === onlyKind)
      .filter((card) => !onlyReason || card.reasons?.includes(onlyReason))
      .filter((card) => !atLeast || (card.delta_e ?? -1) >= atLeast)
      .filter((card) => terms.every((term) => haystackOf(card).includes(term)))
      .sort(orders[order.value]);
    list.className = `changes view-${view.value}`;
    list.replaceChildren();
    drawn = 0;
    drawMore(CHUNK);
    const all = `${count(cards.length)} change${cards.length === 1 ? "" : "s"}`;
    byId("count").textContent = shown.length === cards.length ? all : `${count(shown.length)} of ${all}`;
    byId("empty").hidden = shown.length > 0;
    byId("empty-words").textContent = cards.length ? "No change matches." : "No differences.";
    byId("reset").hidden = cards.length === 0;
    remember();
  };

  // The address contains the filters, so that a link shows the same changes.
  const fields = { reason, least, order, view };
  const remember = () => {
    const state = { kind: kind(), q: query.value, ...Object.fromEntries(Object.entries(fields).map(([name, select]) => [name, select.selectedIndex ? select.value : ""])) };
    const address = new URLSearchParams(Object.entries(state).filter(([, value]) => value)).toString();
    history.replaceState(null, "", address ? `#${address}` : location.pathname + location.search);
  };
  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    press(chips.some((chip) => chip.dataset.kind === state.get("kind")) ? state.get("kind") : "");
    for (const [name, select] of Object.entries(fields)) {
      const known = [...select.options].some((option) => option.value === state.get(name));
      select.value = known ? state.get(name) : select.options[0].value;
    }
    query.value = state.get("q") ?? "";
    update();
  };

  // ---------------------------------------------------------------- wiring
  let waiting = 0;
  query.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(update, 120);
  });
  for (const select of [reason, least, order]) select.addEventListener("change", update);
  view.addEventListener("change", () => {
    list.className = `changes view-${view.value}`; // keeps the positions of the sliders
    remember();
  });
  for (const chip of chips) chip.addEventListener("click", () => (press(chip.dataset.kind), update()));
  byId("reset").addEventListener("click", () => {
    history.replaceState(null, "", "#");
    recall();
    query.focus();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=range]), select");
    if (event.ctrlKey || event.metaKey || event.altKey || typing || event.key !== "/") return;
    event.preventDefault();
    query.focus();
  });
  addEventListener("hashchange", recall);
  addEventListener("beforeprint", () => drawMore(Infinity));
  new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && drawMore(CHUNK), { rootMargin: "1600px" }).observe(more);
  recall();
})();
