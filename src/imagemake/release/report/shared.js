"use strict";
// Helpers for pages in one file. The contact sheet and the page of differences put this before their own script.
const byId = (id) => document.getElementById(id);
const pageData = JSON.parse(byId("data").textContent);
const chips = [...document.querySelectorAll(".chip")];
const collator = new Intl.Collator("en", { numeric: true });
const count = (number) => number.toLocaleString("en-US");

// Text from catalogs and manifests is untrusted, so it is inserted as text only. The page's policy forbids anything else.
const el = (tag, properties = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

