// Small helpers that make elements and words.
"use strict";

function byId(id) {
  return document.getElementById(id);
}

// Makes an element with attributes and children; texts become text nodes.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function formatPercent(probability) {
  const percent = probability * 100;
  return percent > 99 && percent < 99.95 ? percent.toFixed(1) : percent.toFixed(0);
}

function formatSigned(value) {
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(Math.abs(value) < 10 ? 1 : 0);
}

// “a”, “a and b”, “a, b and c”.
function listWords(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// The shortest names that tell the networks apart: the head, with the model or data set where heads are the same.
function shortNames(networks) {
  const ways = [
    (n) => n.head,
    (n) => `${n.model} ${n.head}`,
    (n) => `${n.model} ${n.head} ${n.dataset}`,
    (n) => n.name,
  ];
  const apart = ways.find((way) => new Set(networks.map(way)).size === networks.length);
  return networks.map(apart || ((network) => network.name));
}
