// The documents of the store: columns of codes and numbers become typed arrays once, when they are loaded.

/** Return a document; an error says what the server said. */
export async function load(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${(await answer.text()).trim() || answer.status}`);
  return answer.json();
}

/** Return a column with typed arrays: `text(row)`, `numbers` (NaN where there is none), `low` and `high`. */
export function column(raw) {
  const codes = raw.texts.length < 65536 ? Uint16Array.from(raw.codes) : Uint32Array.from(raw.codes);
  return {
    title: raw.title ?? "",
    help: raw.help ?? "",
    texts: raw.texts,
    codes,
    numbers: floats(raw.numbers),
    low: floats(raw.low),
    high: floats(raw.high),
    text: (row) => raw.texts[codes[row]],
  };
}

/** Return all columns of a document, and its facets among them. */
export function columns(raw) {
  const found = {};
  for (const [key, one] of Object.entries({ ...raw.facets, ...raw.columns })) found[key] = column(one);
  return found;
}

/** Return the rows 0 … count − 1 in the order of a column; what has no number comes last either way. */
export function sorted(one, count, isFalling) {
  const order = Uint32Array.from({ length: count }, (_, row) => row);
  const sign = isFalling ? -1 : 1;
  if (one.numbers) {
    const keys = one.numbers.map((value) => (Number.isNaN(value) ? Infinity : sign * value));
    return order.sort((a, b) => (keys[a] === keys[b] ? a - b : keys[a] - keys[b]));
  }
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const ranks = new Int32Array(one.texts.length);
  [...one.texts.keys()].sort((a, b) => compare(one.texts[a], one.texts[b])).forEach((code, rank) => {
    ranks[code] = sign * rank;
  });
  return order.sort((a, b) => ranks[one.codes[a]] - ranks[one.codes[b]] || a - b);
}

/** Return the rows of `order` that have one of the wanted texts in each of `wanted`, and each of `words` in a column. */
export function filtered(order, wanted, words, searched) {
  const tests = [];
  for (const [one, texts] of wanted) {
    const set = new Set(texts);
    tests.push([{ codes: one.codes, fits: Uint8Array.from(one.texts, (text) => set.has(text)) }]);
  }
  for (const word of words) {
    tests.push(searched.map((one) => ({
      codes: one.codes, fits: Uint8Array.from(one.texts, (text) => text.toLowerCase().includes(word)),
    })));
  }
  if (!tests.length) return order;
  const kept = new Uint32Array(order.length);
  let count = 0;
  for (const row of order) {
    let fits = true;
    for (let place = 0; fits && place < tests.length; place++) {
      fits = false;
      for (const { codes, fits: allowed } of tests[place]) {
        if (allowed[codes[row]]) { fits = true; break; }
      }
    }
    if (fits) kept[count++] = row;
  }
  return kept.subarray(0, count);
}

function floats(values) {
  return values ? Float64Array.from(values, (value) => value ?? NaN) : null;
}
