// Reads the parts of a large page in frames, which send their content as text: a page on a disk may not fetch files.
const AT_ONCE = 4;
const OPEN = 8; // files of cards that stay in memory
const readPart = (address) =>
  new Promise((resolve, reject) => {
    const frame = el("iframe", { hidden: true, sandbox: "allow-scripts", src: address });
    const receive = (event) => event.source === frame.contentWindow && (end(), resolve(JSON.parse(event.data)));
    const end = () => (removeEventListener("message", receive), frame.remove());
    addEventListener("message", receive);
    // A frame that could not be read loads, too, but sends nothing.
    frame.addEventListener("load", () => setTimeout(() => (end(), reject(Error(`Cannot read ${address}`))), 2000));
    document.body.append(frame);
  });

// Reads all lists. Calls tell with the entries of the first list when that is read, and with the share that is read.
const readLists = async (lists, tell) => {
  const found = lists.map(() => []);
  let [next, done] = [0, 0];
  const work = async () => {
    while (next < lists.length) {
      const place = next++;
      for (const { cards, entries } of await readPart(lists[place])) {
        entries.forEach((entry, at) => found[place].push(Object.assign(entry, { cards, at })));
      }
      done += 1;
      tell(place === 0 ? found[0] : undefined, done / lists.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found.flat();
};

// Returns an entry with all its facts, which are in the file of its cards if the entry is from a list.
const opened = new Map();
const completed = async (entry) => {
  if (!entry.cards) return entry;
  if (!opened.has(entry.cards)) opened.set(entry.cards, await readPart(entry.cards));
  if (opened.size > OPEN) opened.delete(opened.keys().next().value);
  return { ...entry, ...opened.get(entry.cards)[entry.at] };
};
