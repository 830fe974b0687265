/** An element of an XML document. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: XmlElement[];
  /** Its own text, without that of its children. */
  text: string;
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const decoded = (text: string) =>
  text.replace(/&(\w+);/g, (whole, name: string) => {
    if (!(name in entities)) throw new Error(`unknown entity ${whole}`);
    return entities[name]!;
  });

/** Reads a document without DTD, comments or namespaces of its own; @throws on anything that is not well-formed. */
export function parseXml(document: string): XmlElement {
  const root: XmlElement = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const token = /<\/([\w:]+)>|<([\w:]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
  for (let at = 0; at < document.length; at = token.lastIndex) {
    token.lastIndex = at;
    const match = token.exec(document);
    if (!match) throw new Error(`not well-formed at ${at}: ${document.slice(at, at + 40)}`);
    const [, closed, name, attributes = "", isEmpty, text] = match;
    const parent = open.at(-1)!;
    if (text !== undefined) {
      if (/&(?!\w+;)/.test(text)) throw new Error(`a bare & in ${text}`);
      parent.text += decoded(text);
    } else if (closed !== undefined) {
      if (parent.name !== closed) throw new Error(`</${closed}> closes <${parent.name}>`);
      open.pop();
    } else {
      const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, decoded(value!)]);
      const element: XmlElement = { name: name!, attributes: Object.fromEntries(pairs), children: [], text: "" };
      parent.children.push(element);
      if (!isEmpty) open.push(element);
    }
  }
  if (open.length !== 1 || root.children.length !== 1) throw new Error("it is not one whole element");
  return root.children[0]!;
}
