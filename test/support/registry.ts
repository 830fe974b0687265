/** Registers a schema as its producer would; gives its id. @param url - Of the registry. */
export async function registerSchema(url: string, subject: string, definition: object): Promise<number> {
  const response = await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions`, {
    method: "POST",
    headers: { "content-type": "application/vnd.schemaregistry.v1+json" },
    body: JSON.stringify({ schema: JSON.stringify(definition) }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`The registry answers ${response.status}: ${text}`);
  return (JSON.parse(text) as { id: number }).id;
}
