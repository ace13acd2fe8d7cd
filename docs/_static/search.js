// Search in whole sentences: pages are ranked by BM25 over the words of the query that they hold, where Sphinx demands every word.
// docs/_ext/weights.py tells how often a page holds a word.
// Sphinx puts this file (html_search_scorer) beside its stemmer and stop words, after its own search.
Scorer.objNameMatch = 40; // a function's own name comes first

{
  const SATURATION = 1.5; // BM25's k1 and b
  const LENGTH = 0.7;
  const COVERED = 0.3; // how much it counts that a page holds all words, and not only one of them often
  const PARTIAL = 0.4; // what a word counts that only contains the word asked for
  const ALSO = 0.7; // what a word of the same meaning counts
  // What pages that answer a question count more than others, and those that hold its numbers or are for contributors less.
  const KINDS = [
    [/^(claims|guides)\/|^initialisers$/, 1.25],
    [/^(gallery|reference)\b|^(benchmarks|contributing|experiments|index)$/, 0.8],
  ];
  const kind = (page) => KINDS.find(([pattern]) => pattern.test(page))?.[1] ?? 1;
  const WEAKEST = 0.35; // share of the best score below which a page is left out
  const [LEAST, MOST] = [10, 40]; // pages shown

  // Words of one meaning: a page that holds one of a line answers for all of them. Behind ">" stand words that answer for those before it only.
  const ALIKE = `
    vanish disappear shrink die dead
    zero tiny small > vanish
    underflow > vanish float16
    explode blow huge > large
    large > explode
    nan inf infinite overflow
    init initialise initialisation initialiser initializer
    rnn recurrent recurrence vanilla
    backprop backpropagation backward
    backprop > gradient
    cnn conv convnet convolution convolutional
    mlp > dense
    net > network
    resnet residual skip shortcut
    xavier glorot
    kaiming > initialisation
    rectifier relu
    swish silu
    lstm gru > gate
    derivative slope
    l2 > decay regularisation
    regularisation > decay
    plateau stuck stall stagnate
    flat > plateau minimum
    saddle > minimum plateau
    unit neuron node
    seed > random
    lr > rate
    diverge unstable > explode nan
    isometry > orthogonal
    forget memory remember
    differ scatter vary spread
    variance > scatter spread
    debug monitor tensorboard histogram visualise inspect > diagnose
    gradcheck hook > diagnose record
    early lower bottom
    first > early lower
    earlier > early lower
    later > last upper
    token > position
    deeper > deep
    wider > wide
    iteration epoch > step
    timestep > step
    jump spike sudden cliff
    esn reservoir echo
    break > fail
    pixel mnist > digit
  `;
  // Words that people write for several of the pages' own.
  const PARTS = {
    qk: "query key",
    mft: "mean field",
    ln: "layer norm",
    bn: "batch norm",
    bptt: "recurrent time",
    llm: "transformer",
    llms: "transformer",
    fp16: "float16",
    fp32: "float32",
    bf16: "bfloat16",
    half: "float16",
    amp: "mixed precision",
    dynamical: "isometry",
  };
  // Words of a question that say nothing of its subject, beyond those that the index leaves out.
  const EMPTY = new Set(
    `can cannot don doesn isn won re ve get gets got go use uses using used need want really actually always ever even just still way make
    makes let good bad better best vs versus tell know please anyone someone thing things lot much many happen happens say says`.split(/\s+/),
  );
  const MEANING = /\bwhat\b.*\bmeans?\b|\b(meaning|definition|symbol)\b/i; // the glossary answers
  const POWER = /^\d+e$/; // the first half of 1e-8
  const BRITISH = /(i)z(e|es|ed|er|ers|ing|ation|ations)$/;

  const stemmer = new Stemmer();
  const stem = (word) => stemmer.stemWord(word.replace(BRITISH, "$1s$2"));
  const weights = (word) => (Object.hasOwn(Search._index.weights, word) ? Search._index.weights[word] : []);
  const known = (word) => weights(word).length > 0;

  const alike = new Map(); // stem -> the stems that answer for it
  for (const line of ALIKE.trim().split("\n")) {
    const [asked, more = []] = line.split(">").map((part) => part.trim().split(/\s+/).map(stem));
    for (const each of asked) alike.set(each, new Set([...(alike.get(each) ?? []), ...asked, ...more]));
  }

  let lengths = null; // words of each page
  function measured() {
    if (lengths) return lengths;
    lengths = new Array(Search._index.docnames.length).fill(0);
    for (const pairs of Object.values(Search._index.weights))
      for (let place = 0; place < pairs.length; place += 2) lengths[pairs[place]] += pairs[place + 1];
    return lengths;
  }

  // Whether one letter more, one less, another one, or two that changed places make the second word of the first.
  function mistyped(a, b) {
    if (Math.abs(a.length - b.length) > 1) return false;
    let from = 0;
    while (from < a.length && a[from] === b[from]) from += 1;
    const rest = (word, skip) => word.slice(from + skip);
    return (
      rest(a, 1) === rest(b, 1) ||
      rest(a, 1) === rest(b, 0) ||
      rest(a, 0) === rest(b, 1) ||
      (a[from] === b[from + 1] && a[from + 1] === b[from] && rest(a, 2) === rest(b, 2))
    );
  }

  // The two words of the index that a word is made of, such as batch and norm of batchnorm; the second may be one that the index leaves out.
  function split(word) {
    for (let place = word.length - 2; place > 2; place -= 1) {
      const [head, tail] = [word.slice(0, place), word.slice(place)];
      if (known(stem(head)) && (stopwords.has(tail) || (tail.length > 3 && known(stem(tail))))) return [head, tail];
    }
    return [];
  }

  // The words asked for: those that mean several, or that are made of two, in their parts; those that stand beside each other, joined too.
  function words(query) {
    const all = splitQuery(query.toLowerCase()).filter((word) => word.length > 1 || /\d/.test(word));
    const joined = all.slice(1).map((word, place) => all[place] + word).filter((word) => word.length > 5 && known(stem(word)));
    const parts = all.flatMap((word) => {
      if (Object.hasOwn(PARTS, word)) return PARTS[word].split(" ");
      if (word.length < 6 || known(stem(word)) || alike.has(stem(word))) return [word];
      const found = split(word);
      return found.length ? found : [word];
    });
    if (MEANING.test(query)) parts.push("glossary");
    return [...new Set([...parts, ...joined])].filter((word) => !stopwords.has(word) && !EMPTY.has(word) && !POWER.test(word));
  }

  // The pages that hold a word, each with what the word counts there.
  function held(word, share = 1, found = new Map()) {
    const pairs = weights(word);
    for (let place = 0; place < pairs.length; place += 2)
      found.set(pairs[place], Math.max(found.get(pairs[place]) ?? 0, share * pairs[place + 1]));
    return found;
  }

  // The pages that hold a word, one of its meaning or, if there is none, one that contains it or of which it is a mistyped form.
  function meant(word) {
    const stemmed = stem(word);
    const found = held(stemmed);
    for (const other of alike.get(stemmed) ?? []) held(other, ALSO, found);
    if (found.size || stemmed.length < 4) return found;
    const every = Object.keys(Search._index.weights);
    let near = every.filter((term) => term.includes(stemmed));
    if (!near.length) near = every.filter((term) => mistyped(stemmed, term));
    for (const term of near) {
      held(term, PARTIAL, found);
      for (const other of alike.get(term) ?? []) held(other, PARTIAL * ALSO, found);
    }
    return found;
  }

  // The pages by their score, best first.
  function ranked(query) {
    const pages = Search._index.docnames.length;
    const length = measured();
    const mean = length.reduce((sum, each) => sum + each, 0) / pages;
    const scores = new Map();
    const covered = new Map(); // the rarity of the words that a page holds
    let all = 0;
    for (const word of words(query)) {
      const found = meant(word);
      const rarity = Math.log(1 + (pages - found.size + 0.5) / (found.size + 0.5));
      if (found.size) all += rarity;
      for (const [file, weight] of found) {
        const term = (weight * (SATURATION + 1)) / (weight + SATURATION * (1 - LENGTH + (LENGTH * length[file]) / mean));
        scores.set(file, (scores.get(file) ?? 0) + rarity * term);
        covered.set(file, (covered.get(file) ?? 0) + rarity * Math.min(1, weight));
      }
    }
    const weighed = [...scores].map(([file, score]) => [file, kind(Search._index.docnames[file]) * score * (covered.get(file) / all) ** COVERED]);
    return weighed.sort((a, b) => b[1] - a[1]);
  }

  let asked = "";
  const parse = Search._parseQuery;
  Search._parseQuery = (query) => {
    asked = query;
    return parse(query);
  };
  Search.performTermsSearch = () => {
    const { docnames, titles, filenames } = Search._index;
    const all = ranked(asked);
    const kept = all.filter(([, score], place) => place < LEAST || score >= WEAKEST * all[0][1]).slice(0, MOST);
    return kept.map(([file, score]) => [docnames[file], titles[file], "", null, score, filenames[file], SearchResultKind.text]);
  };

  // Functions are looked for by their names: in several words only if these are all of a name's, such as lyapunov exponent.
  const objects = Search.performObjectSearch;
  Search.performObjectSearch = (word, all) => {
    const name = splitQuery(asked.toLowerCase()).join("_");
    const found = objects(word, all);
    if (all.size < 2) return found;
    const named = found.filter(([, path]) => path.toLowerCase().split(".").at(-1) === name);
    return named.map((hit) => hit.with(4, Scorer.objNameMatch));
  };

  // Sphinx lists a page once for each of its headings and functions that fit: several words lead to each page once.
  const perform = Search._performSearch;
  Search._performSearch = (query, ...parts) => {
    const results = perform(query, ...parts);
    if (splitQuery(query).length < 2) return results;
    const seen = new Set();
    return results.reverse().filter(([page]) => !seen.has(page) && seen.add(page)).reverse(); // the best is the last
  };

  // Sphinx appends the summary even where a page, the explorer's for one, has none.
  const summary = Search.makeSearchSummary;
  Search.makeSearchSummary = (...page) => summary(...page) ?? document.createElement("p");
}
