// Pulumi's runner for policy packs loads ts-node for whatever it requires; an import goes past that, and Node strips the types itself.
process.chdir(__dirname); // @pulumi/policy reads the pack's version from the working directory
module.exports = import("./pack.ts");
