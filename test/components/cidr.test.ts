import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { allowList, readNetworks } from "../../components/config/cidr";

describe("allow list", () => {
  it("takes the networks that the facility's document means", () => {
    expect(readNetworks(["140.252.32.0/23", "140.252.33.0/23", "140.252.90.0/23"])).toEqual({
      cidrs: ["140.252.32.0/23", "140.252.90.0/23"],
      warnings: ['"140.252.33.0/23" is no network: 140.252.32.0/23 was taken, which is there already'],
      faults: [],
    });
    expect(readNetworks(["140.252.33.0/23"]).warnings).toEqual([
      '"140.252.33.0/23" is no network: 140.252.32.0/23 was taken',
    ]);
    expect(readNetworks(["10.0.0.0/8", "10.1.2.3"])).toMatchObject({
      cidrs: ["10.0.0.0/8"],
      warnings: ['"10.1.2.3" says nothing new: 10.0.0.0/8 covers it'],
    });
    expect(readNetworks(["2001:DB8::/33", "2001:db8:8000::/33", "134.79.23.4"]).cidrs).toEqual([
      "134.79.23.4/32",
      "2001:db8::/32",
    ]);
  });

  it.each<readonly [string, string]>([
    ["0.0.0.0/0", '"0.0.0.0/0" is wider than /8: name the networks that are meant'],
    ["::/0", '"::/0" is wider than /16: name the networks that are meant'],
    ["128.0.0.0/1", '"128.0.0.0/1" is wider than /8: name the networks that are meant'],
    ["::ffff:0.0.0.0/96", '"::ffff:0.0.0.0/96" is IPv4 in the form of IPv6: write it as IPv4'],
    ["140.252.32.0/33", '"140.252.32.0/33" has a prefix longer than 32'],
    ...[
      "140.252.32/23",
      "140.252.032.0/23",
      "a.example",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "fe80::1%eth0",
      "",
      " 10.0.0.1",
    ].map((entry) => [entry, `"${entry}" must be an address or a network such as "140.252.32.0/23"`] as const),
  ])("refuses %s", (entry, fault) => {
    expect(readNetworks([entry]).faults).toEqual([fault]);
    expect(allowList.safeParse(["10.0.0.0/8", entry]).success).toBe(false);
  });

  it("refuses many narrow networks that are a wide one together", () => {
    const all = Array.from({ length: 256 }, (_, first) => `${first}.0.0.0/8`);
    expect(readNetworks(all).faults).toEqual(["the entries together are 0.0.0.0/0, too wide"]);
  });

  it("merges and drops host bits as Python's ipaddress does", () => {
    const v4 = fc
      .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 8, max: 32 }))
      // Near each other, so that they meet, cover and touch.
      .map(([value, prefix]) => [(10 << 24) + (value % 4096) * (prefix > 20 ? 1 : 256), Math.max(prefix, 16)] as const)
      .map(([value, prefix]) => `${[24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".")}/${prefix}`);
    const v6 = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 40, max: 128 }))
      .map(([high, low, prefix]) => `2001:db8:${high.toString(16)}::${low.toString(16)}/${prefix}`);
    const lists = fc.sample(fc.array(fc.oneof(v4, v6), { maxLength: 40 }), { numRuns: 300, seed: 20261121 });
    const oracle = [
      "import ipaddress, json, sys",
      "def merged(entries):",
      "    nets = [ipaddress.ip_network(e, strict=False) for e in entries]",
      "    return [str(n) for v in (4, 6) for n in ipaddress.collapse_addresses([n for n in nets if n.version == v])]",
      "print(json.dumps([merged(l) for l in json.load(sys.stdin)]))",
    ].join("\n");
    const expected = JSON.parse(
      execFileSync("python3", ["-c", oracle], { input: JSON.stringify(lists), encoding: "utf8" }),
    ) as string[][];
    expect(lists.map((entries) => readNetworks(entries).cidrs)).toEqual(expected);
    // What is read again says nothing new, and has nothing to say.
    for (const cidrs of expected) expect(readNetworks(cidrs)).toEqual({ cidrs, warnings: [], faults: [] });
  });
});
