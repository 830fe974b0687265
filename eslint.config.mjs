import tseslint from "typescript-eslint";

/**
 * The import arrows of ARCHITECTURE.md, held by lint:
 * index.ts -> components/<system> -> components/platform -> workloads/src/<name>/contract; local -> index + components.
 * A folder is a room with one door: from outside it is imported through its index.ts only.
 */
const forbid = (...rules) => ({ "no-restricted-imports": ["error", { patterns: rules }] });
const pulumi = { group: ["@pulumi/*"], message: "Workloads never import Pulumi." };
const upward = { group: ["**/local/**", "**/local", "**/test/**"], message: "Imports go downward only." };
const workloadCode = {
  regex: "workloads/src/(?!\\w[\\w-]*/contract$|lib/contract$|lib/topicSelector$|lib/visits/keys$)",
  message:
    "Components know a workload by its contract only (workloads/src/<name>/contract), what a selector takes, and names in Redis.",
};
const systems = ["embargo", "efd", "sasquatch", "prompt"];
const door = {
  // schemas has a door of its own: what it needs (ajv, 200 kB of schemas) is no burden of the program. So have plan and
  // sal, which know no Pulumi.
  regex: "(^|/)components/\\w+/(?!index$|schemas$|plan$|sal$)[\\w/]+$",
  message: "A room has one door: import components/<room>, its index.ts.",
};
const roomDoor = {
  regex: "^\\.\\./(config|outputs|platform|ceph|kafka|embargo|efd|sasquatch|prompt)/(?!index$)",
  message: "A room has one door: import ../<room>, its index.ts.",
};
const noComponent = { group: ["**/components/**", "**/workloads/**"], message: "Policies know no component." };

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", ".usdf/**", "coverage/**"] },
  ...tseslint.configs.recommended,
  {
    files: ["**/*.{ts,mts,mjs}"],
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // `import("…")` as a type is what a lazily loaded module needs.
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  {
    files: ["**/*.ts"],
    ignores: ["workloads/src/lib/kafkajs.ts"],
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        {
          name: "kafkajs",
          allowTypeImports: true,
          message: "Take it from workloads/src/lib/kafkajs, where it is mended.",
        },
      ],
    },
  },
  {
    files: ["workloads/src/**/*.ts"],
    rules: forbid(
      pulumi,
      upward,
      { group: ["**/components/**"], message: "Workloads never import components." },
      {
        regex: "^\\.\\./(?!lib/)(?!\\.\\./)\\w+/",
        message: "A workload knows no other one: what they share is in src/lib.",
      },
    ),
  },
  {
    files: ["workloads/src/lib/**/*.ts"],
    rules: forbid(pulumi, upward, {
      regex: "(enqueue|ingest|idle|presence|reconcile)/",
      message: "The library knows no workload.",
    }),
  },
  { files: ["components/**/*.ts"], rules: forbid(upward, workloadCode, roomDoor) },
  {
    files: ["components/{platform,ceph,config,outputs}/**/*.ts"],
    rules: forbid(upward, workloadCode, roomDoor, {
      group: systems.map((system) => `../${system}*`),
      message: "What systems stand on knows no system.",
    }),
  },
  {
    files: ["index.ts"],
    rules: forbid(upward, door, { group: ["**/workloads/**"], message: "The program knows components only." }),
  },
  {
    // Rules see resources, not the program: the same for every stack, and quick to load.
    files: ["policy/**/*.ts"],
    rules: forbid(upward, noComponent),
  },
  {
    files: ["policy/{rules/**/*,exceptions}.ts"],
    rules: forbid(upward, noComponent, { ...pulumi, message: "Only pack.ts knows Pulumi's SDK." }),
  },
  { files: ["local/**/*.ts"], rules: forbid(door, { group: ["**/test/**"], message: "Imports go downward only." }) },
  { files: ["**/*.cjs"], rules: { "@typescript-eslint/no-require-imports": "off", "no-undef": "off" } },
  { files: ["local/**", "test/**", "workloads/build.mjs"], rules: { "no-console": "off" } },
);
