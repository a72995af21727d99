"""The components that come with stargan-fw, discovered as anybody's are: through the entry point group."""

plugin_modules = (
    "stargan_fw_plugins.datasets.celeba",
    "stargan_fw_plugins.datasets.rafd",
    "stargan_fw_plugins.datasets.folder",
    "stargan_fw_plugins.datasets.table",
    "stargan_fw_plugins.datasets.huggingface",
    "stargan_fw_plugins.networks.stargan_generator",
    "stargan_fw_plugins.networks.stargan_discriminator",
    "stargan_fw_plugins.networks.attention_generator",
    "stargan_fw_plugins.losses.wgan_gp",
    "stargan_fw_plugins.losses.vanilla",
    "stargan_fw_plugins.methods.stargan",
    "stargan_fw_plugins.importers.stargan_reference",
    "stargan_fw_plugins.trackers.tensorboard",
    "stargan_fw_plugins.presets",
)
