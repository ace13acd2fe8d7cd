#!/usr/bin/env bash
# Builds paper/build/main.pdf and supplement.pdf and checks them; with --check it only says whether LaTeX is complete.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Each tool or style file, and the Debian package that brings it.
needs="
latexmk           latexmk
pdflatex          texlive-latex-recommended
bibtex            texlive-latex-recommended
amsmath.sty       texlive-latex-recommended
booktabs.sty      texlive-latex-recommended
caption.sty       texlive-latex-recommended
graphicx.sty      texlive-latex-recommended
hyperref.sty      texlive-latex-recommended
microtype.sty     texlive-latex-recommended
natbib.sty        texlive-latex-recommended
subcaption.sty    texlive-latex-recommended
xcolor.sty        texlive-latex-recommended
ifthen.sty        texlive-latex-base
cleveref.sty      texlive-latex-extra
utmr8a.pfb        texlive-fonts-recommended
"

present() {
  case "$1" in
    *.*) command -v kpsewhich >/dev/null && kpsewhich "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
while read -r need package; do
  if [ -n "$need" ] && ! present "$need" && [[ " ${missing[*]-} " != *" $package "* ]]; then
    missing+=("$package")
  fi
done <<<"$needs"

if [ "${#missing[@]}" -gt 0 ]; then
  echo "The paper needs LaTeX packages that are not here; on Debian or Ubuntu: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
if [ "${1-}" = --check ]; then
  exit 0
fi

# The date of the commit, so that one commit gives one PDF.
if [ -z "${SOURCE_DATE_EPOCH-}" ] && date=$(git log -1 --format=%ct 2>/dev/null); then
  export SOURCE_DATE_EPOCH="$date"
fi
export FORCE_SOURCE_DATE=1

mkdir -p build
once() {
  if ! latexmk -g -pdf -halt-on-error -interaction=nonstopmode -outdir=build "$1.tex" >"build/$1.latexmk" 2>&1; then
    tail -n 40 "build/$1.latexmk" >&2
    echo "The paper did not build; the whole log is paper/build/$1.log" >&2
    exit 1
  fi
}
# Twice each, for they refer to each other.
for part in supplement main supplement main; do once "$part"; done
python3 check.py
echo "paper/build/main.pdf paper/build/supplement.pdf"
