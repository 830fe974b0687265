/** The list of what the bundles hold, as CycloneDX: every package that esbuild took code from, and Node.js, which runs it. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * @param {import("esbuild").Metafile} metafile - Of the bundles, its paths relative to the checkout.
 * @returns {Promise<string>} CycloneDX 1.6 as JSON, the same for the same packages: no serial number, no time.
 */
export async function sbomOf(metafile) {
  const { Contrib, Enums, Models, Serialize, Spec } = await import("@cyclonedx/cyclonedx-library");
  const { FromNodePackageJson, License } = Contrib;
  const licenses = new License.Factories.LicenseFactory();
  const evidence = new License.Utils.LicenseEvidenceGatherer();
  const builder = new FromNodePackageJson.Builders.ComponentBuilder(
    new FromNodePackageJson.Factories.ExternalReferenceFactory(),
    licenses,
  );
  const componentOf = (folder) => {
    const data = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const component = builder.makeComponent(data);
    component.purl = `pkg:npm/${data.name.replace("@", "%40")}@${data.version}`;
    component.bomRef.value = component.purl;
    // The bundles carry no notices: their texts are here.
    const texts = [...evidence.getFileAttachments(folder)].map(
      ({ file, text }) => new Models.NamedLicense(`file: ${file}`, { text }),
    );
    if (texts.length > 0)
      component.evidence = new Models.ComponentEvidence({ licenses: new Models.LicenseRepository(texts) });
    return component;
  };
  const version = process.versions.node;
  const node = new Models.Component(Enums.ComponentType.Platform, "node", {
    version,
    bomRef: `pkg:generic/node@${version}`,
    purl: `pkg:generic/node@${version}`,
    licenses: new Models.LicenseRepository([licenses.makeFromString("MIT")]),
  });
  const main = componentOf(root);
  main.type = Enums.ComponentType.Application;
  const packages = packagesOf(metafile).map((folder) => componentOf(join(root, folder)));
  const bom = new Models.Bom({
    components: new Models.ComponentRepository([node, ...packages]),
    metadata: new Models.Metadata({ component: main }),
  });
  const normalizers = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  return new Serialize.JsonSerializer(normalizers).serialize(bom, { sortLists: true, space: 1 });
}

/**
 * @param {import("esbuild").Metafile} metafile
 * @returns {string[]} Folders of the packages that its outputs hold code of, relative to the checkout.
 */
export function packagesOf({ outputs }) {
  const files = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = files.flatMap((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []);
  return [...new Set(folders)].sort();
}
