"use strict";
// Sends this part to the contact sheet that opened it. A local page has no origin to name.
parent.postMessage(document.getElementById("data").textContent, location.protocol === "file:" ? "*" : location.origin);
