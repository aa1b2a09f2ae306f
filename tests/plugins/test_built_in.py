"""What ships built in arrives through the hooks, and costs nothing before it is asked for."""

import subprocess
import sys

from persona_core.plugins.loading import load_plugins
from persona_core.settings.installed import BUILTIN


def test_every_built_in_object_is_registered_under_its_name() -> None:
    plugins = load_plugins(installed=[])
    registered = {
        hook: {name: item.distribution for name, item in plugins.registry(hook).items()}
        for hook in ("register_dataset_generators", "register_blending_strategies", "register_capping_policies")
    }
    assert registered == {
        "register_dataset_generators": {"templates": BUILTIN},
        "register_blending_strategies": {"balanced-sum": BUILTIN, "weighted-sum": BUILTIN},
        "register_capping_policies": {"percentile-floor": BUILTIN},
    }
    assert set(plugins.registry("register_judges")) == {"log-prob"}
    assert set(plugins.registry("register_prompt_sets")) == {"core"}


def test_the_folder_of_bundled_vectors_holds_a_model() -> None:
    (folder,) = load_plugins(installed=[]).values("register_vector_dirs")
    assert list(folder.glob("*/personas/sage.safetensors"))


def test_loading_the_built_in_plugin_imports_nothing_that_it_registers() -> None:
    code = (
        "import sys\nfrom persona_core.plugins.loading import load_plugins\nload_plugins(installed=[])\n"
        "print([name for name in sys.modules if name.endswith(('.judges', '.blending', '.capping', '.generators'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
