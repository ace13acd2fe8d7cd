// Search in whole sentences: pages are ranked by BM25 over the words of the query that they hold, where Sphinx demands every word.
// Sphinx puts this file (html_search_scorer) beside its stemmer and stop words, after its own search.
Scorer.objNameMatch = 40; // a function's own name comes first

{
  const SATURATION = 1.2; // BM25's k1 and b; the index says which pages hold a word, not how often
  const LENGTH = 0.75;
  const TITLE = 1.5; // what a word of a heading counts besides
  const PARTIAL = 0.4; // what a word counts that only contains the word asked for
  const ANSWERS = 1.25; // what pages that answer a question count more than those that hold its numbers
  const WEAKEST = 0.35; // share of the best score below which a page is left out
  const MOST = 40;
  // What people write, and what the pages say: more words for one of the query's.
  const SAME = {
    rnn: ["recurrent", "recurrence"],
    rnns: ["recurrent", "recurrence"],
    cnn: ["convolution"],
    mlp: ["dense"],
    resnet: ["residual", "skip"],
    resnets: ["residual", "skip"],
    batchnorm: ["batch", "norm", "normalisation"],
    layernorm: ["layer", "norm", "normalisation"],
    init: ["initialisation"],
    xavier: ["glorot"],
    kaiming: ["he", "initialisation"],
    ln: ["norm"],
    nan: ["overflow"],
    inf: ["overflow"],
    fp16: ["float16"],
    bf16: ["bfloat16"],
    half: ["float16"],
    derivative: ["slope"],
    derivatives: ["slope"],
    l2: ["decay", "regularisation"],
    large: ["explode"],
    huge: ["explode"],
    tiny: ["vanish", "small"],
    die: ["vanish"],
    disappear: ["vanish"],
    blow: ["explode"],
    blows: ["explode"],
    break: ["fail"],
    bigger: ["large", "explode"],
    larger: ["large"],
    smaller: ["small"],
    deeper: ["deep"],
    wider: ["wide"],
    stuck: ["plateau", "stall"],
    flat: ["plateau", "minimum"],
    backprop: ["gradient", "backward"],
    neurons: ["units"],
    neuron: ["unit"],
    seed: ["random"],
    lr: ["learning", "rate"],
    feedforward: ["feed", "forward"],
    dynamical: ["isometry"],
  };
  const MEANING = /\bwhat\b.*\bmeans?\b|\b(meaning|definition|symbol)\b/i; // the glossary answers
  const BRITISH = /(i)z(e|es|ed|er|ers|ing|ation|ations)$/;

  const listed = (files) => (files === undefined ? [] : files.length === undefined ? [files] : files);
  const own = (index, word) => (Object.hasOwn(index, word) ? listed(index[word]) : []);

  let lengths = null; // words of each page
  function measured() {
    if (lengths) return lengths;
    lengths = new Array(Search._index.docnames.length).fill(0);
    for (const files of Object.values(Search._index.terms)) for (const file of listed(files)) lengths[file] += 1;
    return lengths;
  }

  // The pages that hold a word, each with what the word counts there: in its text, and in its headings.
  function held(word) {
    const { terms, titleterms } = Search._index;
    const found = new Map();
    const add = (files, weight) => files.forEach((file) => found.set(file, Math.max(found.get(file) ?? 0, weight)));
    add(own(terms, word), 1);
    add(own(titleterms, word), 1 + TITLE);
    if (!found.size && word.length > 3)
      for (const [index, weight] of [[terms, PARTIAL], [titleterms, PARTIAL * (1 + TITLE)]])
        for (const term of Object.keys(index)) if (term.includes(word)) add(listed(index[term]), weight);
    return found;
  }

  // Every word of the query with its stems: its own first, then those that mean the same.
  function stems(query) {
    const stemmer = new Stemmer();
    const words = splitQuery(query.toLowerCase()).filter((word) => !stopwords.has(word));
    if (MEANING.test(query)) words.push("glossary");
    return words.map((word) => {
      const all = [word, word.replace(BRITISH, "$1s$2"), ...(SAME[word] ?? [])];
      return [...new Set(all.map((each) => stemmer.stemWord(each)))];
    });
  }

  // The pages by their score, best first.
  function ranked(query) {
    const pages = Search._index.docnames.length;
    const length = measured();
    const mean = length.reduce((sum, each) => sum + each, 0) / pages;
    const scores = new Map();
    for (const meanings of stems(query)) {
      const best = new Map();
      meanings.forEach((word, place) => {
        const found = held(word);
        const rarity = Math.log(1 + (pages - found.size + 0.5) / (found.size + 0.5));
        for (const [file, weight] of found) {
          const term = (weight * (SATURATION + 1)) / (weight + SATURATION * (1 - LENGTH + (LENGTH * length[file]) / mean));
          best.set(file, Math.max(best.get(file) ?? 0, (place ? 0.7 : 1) * rarity * term));
        }
      });
      for (const [file, score] of best) scores.set(file, (scores.get(file) ?? 0) + score);
    }
    const weighed = [...scores].map(([file, score]) => {
      const answers = /^(gallery|reference)\//.test(Search._index.docnames[file]) ? 1 : ANSWERS;
      return [file, answers * score];
    });
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
    const kept = all.filter(([, score]) => score >= WEAKEST * all[0][1]).slice(0, MOST);
    return kept.map(([file, score]) => [docnames[file], titles[file], "", null, score, filenames[file], SearchResultKind.text]);
  };

  // Sphinx appends the summary even where a page, the explorer's for one, has none.
  const summary = Search.makeSearchSummary;
  Search.makeSearchSummary = (...page) => summary(...page) ?? document.createElement("p");
}
