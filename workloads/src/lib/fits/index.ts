export { blockBytes, type Card, cardBytes, type CardValue, formatCard } from "./card";
export { readFitsHeaders } from "./hdu";
export { type Header, type HeaderValue, readFitsHeader } from "./header";
export { rewriteFits } from "./rewrite";
