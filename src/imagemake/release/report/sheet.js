(() => {
  const CHUNK = 120; // cards added at a time, as the reader scrolls near the end
  const { variables, words, references, lists } = pageData; // a large page has lists of entries, which it reads
  let entries = pageData.entries ?? [];
  const [cards, more, dialog, query, reason, order, compare] = ["cards", "more", "details", "query", "reason", "order", "compare"].map(byId);
  const worst = ["rejected", "failed", "refused", "review", "pending", "accepted"];
  const orders = {
    family: (a, b) => a.first - b.first || (a.family?.[1] ?? 0) - (b.family?.[1] ?? 0) || a.place - b.place,
    name: (a, b) => a.place - b.place,
    verdict: (a, b) => worst.indexOf(a.verdict) - worst.indexOf(b.verdict) || orders.name(a, b),
    cost: (a, b) => (b.spent_usd ?? -1) - (a.spent_usd ?? -1) || orders.name(a, b),
  };
  const MISSING = "The folder index/ is missing next to this page, or cannot be read.";
  let shown = []; // the entries that match, in order
  let drawn = 0; // how many of them have a card
  let current = -1; // which of them the dialog shows

  const arrange = (found) => {
    entries = found;
    const places = new Map(entries.map((entry, place) => [entry.name, place]));
    entries.forEach((entry, place) => Object.assign(entry, { place, first: places.get(entry.family?.[0]) ?? place }));
  };
  const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
  const usd = (cost) => {
    if (cost > 0 && cost < 0.0001) return "under $0.0001";
    return cost.toLocaleString("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: cost < 1 ? 4 : 2 });
  };
  const duration = (seconds) => (seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`);
  const costOf = (entry) => {
    if (!entry.called) return "";
    return entry.spent_usd === undefined ? "cost unknown" : usd(entry.spent_usd);
  };
  const attemptOf = (entry) => (entry.attempts > 1 ? `attempt ${(entry.attempt ?? 0) + 1} of ${entry.attempts}` : "");
  const badge = (entry) => el("span", { className: `badge ${entry.verdict}` }, words[entry.verdict]);
  const list = (reasons, className) => (reasons?.length ? el("ul", { className }, ...reasons.map((text) => el("li", { dir: "auto" }, text))) : null);

  // ---------------------------------------------------------------- cards
  const absent = { refused: "Refused by the provider", failed: "No image received", pending: "Not made in this run" };
  const image = (entry) => {
    const source = entry.thumbnail ?? entry.href;
    if (!source) return el("span", { className: "image none" }, absent[entry.verdict] ?? "No image to show");
    const image = el("img", { loading: "lazy", decoding: "async", alt: "", src: source });
    image.addEventListener("error", () => image.replaceWith("The image file is missing next to this page"));
    return el("span", { className: "image" }, image);
  };
  const fitting = matchMedia("(max-width: 760px)").matches ? 50 : 60; // characters that always fit into three lines
  const prompt = (entry) => {
    const text = el("p", { className: "prompt clamped", dir: "auto" }, entry.prompt);
    if (entry.prompt.length < fitting) return [text];
    const toggle = el("button", { type: "button", className: "plain toggle", "aria-expanded": "false" }, "Show full prompt");
    toggle.addEventListener("click", () => {
      const clamped = text.classList.toggle("clamped");
      toggle.setAttribute("aria-expanded", String(!clamped));
      toggle.textContent = clamped ? "Show full prompt" : "Show less";
    });
    return [text, toggle];
  };
  const card = (entry, index) => {
    const open = el("button", { type: "button", className: "open", "aria-haspopup": "dialog" }, image(entry), el("span", { className: "name", dir: "auto" }, entry.name));
    open.addEventListener("click", () => show(index));
    const tried = [`seed ${entry.seed}`, attemptOf(entry)].filter(Boolean).join(" · ");
    return el(
      "article",
      { className: `card ${entry.verdict}` },
      open,
      el(
        "div",
        { className: "about" },
        el("div", { className: "line" }, badge(entry), el("span", {}, costOf(entry))),
        list(entry.reasons, "reasons"),
        ...prompt(entry),
        el("p", { className: "facts" }, `${entry.model}\n${tried}`),
      ),
    );
  };
  const drawCards = (most) => {
    const until = Math.min(shown.length, drawn + most);
    const fragment = document.createDocumentFragment();
    for (; drawn < until; drawn += 1) fragment.append(card(shown[drawn], drawn));
    cards.append(fragment);
  };

  // ---------------------------------------------------------------- side by side
  let groups = []; // images that differ only in the compared variable: indices into shown, by its values
  const valueOf = (entry, name) => (name === "take" ? String(entry.take ?? 1) : (entry.variables?.[name] ?? ""));
  const compared = () => compare?.value ?? "";
  const others = (entry) => variables.filter((name) => name !== compared()).map((name) => valueOf(entry, name));
  const groupOf = (entry) => JSON.stringify([entry.catalog_row, compared() === "take" ? 0 : (entry.take ?? 1), ...others(entry)]);
  const columns = () => [...new Set(entries.map((entry) => valueOf(entry, compared())))].sort(collator.compare);
  const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined);
  const percent = (rate) => `${(100 * rate).toLocaleString("en-US", { maximumFractionDigits: 1 })}%`;
  const heading = (value) => {
    const own = entries.filter((entry) => valueOf(entry, compared()) === value);
    const decided = own.filter((entry) => !["review", "pending"].includes(entry.verdict));
    const accepted = own.filter((entry) => entry.verdict === "accepted").length;
    const [cost, seconds] = ["spent_usd", "seconds"].map((field) => mean(own.map((entry) => entry[field]).filter((number) => number !== undefined)));
    const facts = [decided.length ? `${percent(accepted / decided.length)} accepted` : "", cost === undefined ? "cost unknown" : `${usd(cost)} each`, seconds === undefined ? "" : duration(seconds)];
    return el("div", { className: "column" }, el("h2", { dir: "auto" }, value || "(empty)"), el("p", {}, facts.filter(Boolean).join(" · ")));
  };
  const drawGroups = (most) => {
    const values = columns();
    if (!drawn) cards.append(el("div", { className: "heads" }, ...values.map(heading)));
    const fragment = document.createDocumentFragment();
    const until = Math.min(groups.length, drawn + Math.max(1, Math.ceil(most / values.length)));
    for (; drawn < until; drawn += 1) {
      const { first, byValue } = groups[drawn];
      const label = [`Row ${first.catalog_row}`, ...others(first), compared() !== "take" && first.take > 1 ? `take ${first.take}` : ""].filter(Boolean).join(" · ");
      const cells = values.map((value) => (byValue.has(value) ? card(shown[byValue.get(value)], byValue.get(value)) : el("div", { className: "gap" }, "Not requested")));
      fragment.append(el("section", { className: "group", "aria-label": label }, el("h3", { dir: "auto" }, label), el("div", { className: "cells" }, ...cells)));
    }
    cards.append(fragment);
  };
  const draw = (most) => (compared() ? drawGroups(most) : drawCards(most));
  const sideBySide = (matching) => {
    // A group is shown completely if one of its images matches: the others are for comparison.
    const wanted = new Set(matching.map(groupOf));
    const byGroup = new Map([...wanted].map((group) => [group, []]));
    for (const entry of entries) byGroup.get(groupOf(entry))?.push(entry);
    const members = [...byGroup.values()].map((group) => group.sort((a, b) => collator.compare(valueOf(a, compared()), valueOf(b, compared()))));
    shown = members.flat();
    let index = 0;
    groups = members.map((group) => ({ first: group[0], byValue: new Map(group.map((entry) => [valueOf(entry, compared()), index++])) }));
  };

  // ---------------------------------------------------------------- filters
  const haystack = (entry) => (entry.haystack ??= [entry.name, entry.prompt, ...(entry.reasons ?? [])].join("\n").toLowerCase());
  const verdict = () => chips.find((chip) => chip.getAttribute("aria-pressed") === "true").dataset.verdict;
  const press = (wanted) => chips.forEach((chip) => chip.setAttribute("aria-pressed", String(chip.dataset.verdict === wanted)));
  const update = () => {
    const terms = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const [onlyVerdict, onlyReason] = [verdict(), reason.value];
    const before = cards.className === "cards" ? shown.slice(0, drawn) : [];
    shown = entries
      .filter((entry) => !onlyVerdict || entry.verdict === onlyVerdict)
      .filter((entry) => !onlyReason || entry.codes?.includes(onlyReason))
      .filter((entry) => terms.every((term) => haystack(entry).includes(term)))
      .sort(orders[order.value]);
    const found = shown.length;
    if (compared()) sideBySide(shown);
    const stays = before.length && !compared() && before.every((entry, index) => entry === shown[index]);
    cards.className = compared() ? "comparison" : "cards";
    cards.style.setProperty("--columns", compared() ? columns().length : 1);
    if (!stays) (cards.replaceChildren(), (drawn = 0));
    if (shown.length) draw(CHUNK);
    byId("count").textContent = found === entries.length ? plural(entries.length, "request") : `${count(found)} of ${plural(entries.length, "request")}`;
    byId("empty").hidden = shown.length > 0 || entries.length === 0;
    remember();
  };

  // The filters are in the address, so that a link can point to the images to review.
  const remember = (open) => {
    const state = { verdict: verdict(), reason: reason.value, q: query.value, order: order.selectedIndex ? order.value : "", compare: compared(), open: open ?? "" };
    const text = new URLSearchParams(Object.entries(state).filter(([, value]) => value)).toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };
  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    const pick = (select, value) => (select.value = [...select.options].some((option) => option.value === value) ? value : select.options[0].value);
    press(chips.some((chip) => chip.dataset.verdict === state.get("verdict")) ? state.get("verdict") : "");
    pick(reason, state.get("reason"));
    pick(order, state.get("order"));
    if (compare) pick(compare, state.get("compare"));
    query.value = state.get("q") ?? "";
    update();
    const index = shown.findIndex((entry) => entry.name === state.get("open"));
    if (index >= 0) show(index);
  };

  // ---------------------------------------------------------------- details
  const icons = { previous: "M11 4 6 9l5 5", next: "m7 4 5 5-5 5", close: "m4.5 4.5 9 9m0-9-9 9" };
  const step = (name, label, disabled, action) => {
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    drawing.setAttribute("viewBox", "0 0 18 18");
    drawing.setAttribute("aria-hidden", "true");
    path.setAttribute("d", icons[name]);
    drawing.append(path);
    const button = el("button", { type: "button", className: "step", id: `step-${name}`, "aria-label": label, title: label, disabled }, drawing);
    button.addEventListener("click", action);
    return button;
  };
  const pairs = (rows) => {
    const known = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
    if (!known.length) return null;
    return el("dl", { className: "pairs" }, ...known.flatMap(([name, value, className]) => [el("dt", {}, name), el("dd", { className: className ?? "", dir: "auto" }, String(value))]));
  };
  const section = (title, ...content) => (content.some(Boolean) ? el("section", {}, el("h3", {}, title), ...content) : null);
  const stage = (entry) => {
    const source = entry.href ?? entry.thumbnail;
    if (!source) return el("div", { className: "stage" }, el("p", { className: "empty" }, absent[entry.verdict] ?? "No image to show"));
    const image = el("img", { alt: `Image ${entry.name}`, src: source });
    // The page may have been sent without its folder of images.
    if (entry.thumbnail && entry.thumbnail !== source) image.addEventListener("error", () => (image.src = entry.thumbnail), { once: true });
    return el("div", { className: "stage" }, image);
  };
  const past = (entry, earlier) =>
    el(
      "li",
      {},
      earlier.thumbnail ? el("img", { alt: `Attempt ${earlier.attempt + 1}`, src: earlier.thumbnail }) : el("span", { className: "blank" }),
      el(
        "div",
        {},
        el("p", {}, `Attempt ${earlier.attempt + 1} · seed ${earlier.seed}`),
        list([...earlier.reasons], "reasons"),
        earlier.prompt === entry.prompt ? null : el("p", { dir: "auto" }, earlier.prompt),
        el("p", { className: "code" }, earlier.key),
      ),
    );
  const grouped = (values) => pairs(Object.entries(values ?? {}));
  const sent = (path, digest, what) =>
    el(
      "li",
      {},
      references?.[digest] ? el("img", { alt: what, src: references[digest] }) : el("span", { className: "blank" }),
      el("div", {}, el("p", { dir: "auto" }, path), el("p", {}, what), el("p", { className: "code" }, digest)),
    );
  const sentWith = (entry) => {
    const items = (entry.references ?? []).map((path, index) => sent(path, entry.reference_digests[index], `Reference image ${index + 1}`));
    if (entry.mask) items.push(sent(entry.mask, entry.mask_digest, "Mask"));
    return items.length ? section("Sent with the prompt", el("ol", { className: "past" }, ...items)) : null;
  };
  const kilobytes = (bytes) => `${count(Math.max(1, Math.round(bytes / 1000)))} kB`;
  const further = (output) =>
    el(
      "p",
      {},
      el("a", { className: "further", href: output.href, target: "_blank", rel: "noopener" }, output.label),
      ` ${output.size_px.join(" × ")} px, ${kilobytes(output.bytes)}`,
    );
  const facts = (entry) => [
    entry.outputs ? section("Additional files", ...entry.outputs.map(further)) : null,
    section("Prompt", el("p", { className: "prompt", dir: "auto" }, entry.prompt)),
    entry.negative_prompt ? section("Negative prompt", el("p", { className: "prompt", dir: "auto" }, entry.negative_prompt)) : null,
    sentWith(entry),
    section(
      "How it was made",
      pairs([
        ["Model", entry.model],
        ["Provider", entry.provider],
        ["Seed", entry.seed_use && entry.seed_use !== "sent" ? `${entry.seed} (${entry.seed_use})` : entry.seed],
        ["Seed of the server", entry.seed_used],
        ["Model of the server", entry.model_used],
        ["Attempt", entry.attempts ? `${(entry.attempt ?? 0) + 1} of ${entry.attempts}` : ""],
        ["Calls", (entry.history ?? []).reduce((sum, earlier) => sum + (earlier.tries ?? 1), entry.tries ?? 0)],
        ["Generated", entry.generated_at?.replace("T", " ").replace(/(\.\d+)?(Z|\+00:00)$/, " UTC")],
        ["Duration", entry.seconds === undefined ? "" : duration(entry.seconds)],
        ["Cost", costOf(entry).replace("cost ", "") + (entry.history && entry.spent_usd !== undefined ? " for all attempts" : "")],
        ["Request ID", entry.request_id, "code"],
      ]),
    ),
    section("Variables", grouped(entry.variables)),
    section("Parameters", grouped(entry.parameters)),
    section("Measures", grouped(entry.measures)),
    section(
      "Source and file",
      pairs([
        ["Catalog row", entry.catalog_row],
        ["Take", entry.take ?? 1],
        ["Size", entry.width_px ? `${entry.width_px} × ${entry.height_px} px` : ""],
        ["File", entry.bytes ? kilobytes(entry.bytes) : ""],
        ["Key", entry.key, "code"],
        ["File digest", entry.digest, "code"],
        ["Raw digest", entry.raw_digest, "code"],
      ]),
    ),
    entry.history ? section("Other attempts and candidates", el("ol", { className: "past" }, ...entry.history.map((earlier) => past(entry, earlier)))) : null,
  ];
  const show = async (index) => {
    const focused = dialog.open ? document.activeElement?.id : "";
    current = index;
    const entry = await completed(shown[index]).catch(() => ({ ...shown[index], incomplete: true }));
    if (current !== index) return; // the reader went on meanwhile
    const head = el("div", {}, el("h2", { id: "details-name", dir: "auto" }, entry.name), badge(entry));
    const link = entry.href ? el("a", { className: "file", href: entry.href, target: "_blank", rel: "noopener" }, "Open full size") : null;
    const top = el(
      "div",
      { className: "bar-top" },
      el("span", {}, `${count(index + 1)} of ${count(shown.length)}`),
      step("previous", "Previous", index === 0, () => show(index - 1)),
      step("next", "Next", index === shown.length - 1, () => show(index + 1)),
      step("close", "Close", false, () => dialog.close()),
    );
    const reasons = el("div", { className: entry.verdict }, list(entry.reasons, "reasons") ?? "");
    const scroll = el("div", { className: "scroll", tabIndex: 0, "aria-label": "Details" }, head, entry.reasons ? reasons : "", link, entry.incomplete ? el("p", {}, MISSING) : null, ...facts(entry).filter(Boolean));
    dialog.replaceChildren(el("div", { className: "sheet" }, stage(entry), el("div", { className: "side" }, top, scroll)));
    if (!dialog.open) dialog.showModal();
    (byId(focused)?.disabled === false ? byId(focused) : byId("step-close")).focus();
    remember(entry.name);
  };

  // ---------------------------------------------------------------- wiring
  let waiting = 0;
  query.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(update, 120);
  });
  for (const select of [reason, order, compare].filter(Boolean)) select.addEventListener("change", update);
  for (const chip of chips) chip.addEventListener("click", () => (press(chip.dataset.verdict), update()));
  byId("reset").addEventListener("click", () => {
    history.replaceState(null, "", "#");
    recall();
    query.focus();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => remember());
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select");
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (dialog.open && event.key === "ArrowRight" && current < shown.length - 1) show(current + 1);
    else if (dialog.open && event.key === "ArrowLeft" && current > 0) show(current - 1);
    else if (!dialog.open && event.key === "/") (event.preventDefault(), query.focus());
  });
  addEventListener("hashchange", recall);
  addEventListener("beforeprint", () => draw(Infinity));
  new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && draw(CHUNK), { rootMargin: "1600px" }).observe(more);
  const start = async () => {
    if (lists) {
      await readLists(lists, (found, share) => {
        if (found && !location.hash) (arrange(found), update()); // a first view
        byId("count").textContent = `Reading: ${Math.round(100 * share)}%`;
      }).then(arrange);
    } else arrange(entries);
    const codes = new Map();
    for (const entry of entries) for (const code of entry.codes ?? []) codes.set(code, (codes.get(code) ?? 0) + 1);
    const sorted = [...codes].sort((a, b) => b[1] - a[1] || collator.compare(a[0], b[0]));
    reason.append(...sorted.map(([code, number]) => el("option", { value: code }, `${code} (${count(number)})`)));
    recall();
  };
  start().catch(() => (byId("count").textContent = MISSING));
})();
