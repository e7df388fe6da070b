# What every test on machines has: the module on each, little of everything else, and an end.
{
  defaults = {
    imports = [ ../module.nix ];
    documentation.enable = false;
  };
  globalTimeout = 900;
}
