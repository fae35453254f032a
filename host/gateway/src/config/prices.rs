//! `[prices]`: the price file, contracts about it, and the price of models that it does not know.

use std::path::PathBuf;

use serde::Deserialize;
use witgate_config_file::Check;
use witgate_messages::price::{Contract, ContractRates, Multiplier};

/// The prices of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// Price file, or `None` for the built-in prices.
    pub file: Option<PathBuf>,
    /// The model whose prices count for models that the file does not know, or `None` if those have no price.
    pub unknown_model: Option<String>,
    /// Contracts, the later ones over the earlier ones.
    pub contracts: Vec<UpstreamContract>,
}

/// A contract about the prices of some upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamContract {
    /// Names of the upstreams, or `None` for all.
    pub upstreams: Option<Vec<String>>,
    /// The contract.
    pub contract: Contract,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct PricesFile {
    file: Option<PathBuf>,
    unknown_model: Option<String>,
    contract: Option<Vec<ContractFile>>,
}

#[derive(Debug, Deserialize)]
struct ContractFile {
    upstreams: Option<Vec<String>>,
    service_tier: Option<String>,
    models: Option<Vec<String>>,
    multiplier: Option<String>,
    usd_per_mtok: Option<RatesFile>,
}

#[derive(Debug, Deserialize)]
struct RatesFile {
    input: String,
    output: String,
    cache_write_5m: String,
    cache_write_1h: String,
    cache_read: String,
}

// === impl PricesFile ===

impl PricesFile {
    /// Returns the prices. `upstreams` are the names that contracts may be about.
    pub(super) fn check(self, upstreams: &[String], check: &mut Check<'_>) -> Prices {
        let files = self.contract.unwrap_or_default().into_iter().enumerate();
        let contracts = files
            .map(|(index, file)| {
                file.check(upstreams, &mut check.table(&format!("contract[{index}]")))
            })
            .collect();
        Prices {
            file: self.file.map(|file| check.file("file", file)),
            unknown_model: self.unknown_model,
            contracts,
        }
    }
}

// === impl ContractFile ===

impl ContractFile {
    fn check(self, upstreams: &[String], check: &mut Check<'_>) -> UpstreamContract {
        for name in self.upstreams.iter().flatten() {
            if !upstreams.contains(name) {
                check.problem("upstreams", format!("there is no [upstreams.{name}]"));
            }
        }
        if self.multiplier.is_none() && self.usd_per_mtok.is_none() {
            check.problem(
                "multiplier",
                "set it, for example \"0.85\", or prices in `usd_per_mtok`",
            );
        }
        let multiplier = self.multiplier.and_then(|text| {
            let parsed = Multiplier::parse(&text);
            if parsed.is_none() {
                check.problem(
                    "multiplier",
                    "must be a number from \"0\" to \"1000\" with up to six decimals, as a string",
                );
            }
            parsed
        });
        let rates = self
            .usd_per_mtok
            .map(|rates| rates.check(&mut check.table("usd_per_mtok")));
        UpstreamContract {
            upstreams: self.upstreams,
            contract: Contract {
                models: self.models.unwrap_or_else(|| vec!["*".into()]),
                service_tier: self.service_tier,
                multiplier,
                rates,
            },
        }
    }
}

// === impl RatesFile ===

impl RatesFile {
    fn check(&self, check: &mut Check<'_>) -> ContractRates {
        let mut price = |key: &str, text: &str| {
            ContractRates::price(text).unwrap_or_else(|| {
                check.problem(
                    key,
                    "must be dollars per million tokens with up to six decimals, as a string: \"3.75\"",
                );
                0
            })
        };
        ContractRates {
            input: price("input", &self.input),
            output: price("output", &self.output),
            cache_write_5m: price("cache_write_5m", &self.cache_write_5m),
            cache_write_1h: price("cache_write_1h", &self.cache_write_1h),
            cache_read: price("cache_read", &self.cache_read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn parse(prices: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witgate.toml");
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \".\"\n\
             [upstreams.a]\nbase_url = \"http://127.0.0.1:1\"\n{prices}"
        );
        Config::parse(Path::new(&path), &text).map_err(|error| error.to_string())
    }

    #[test]
    fn contracts_are_read_and_every_mistake_in_them_is_told() {
        let config = parse(
            "[[prices.contract]]\nupstreams = [\"a\"]\nmultiplier = \"0.85\"\n[[prices.contract]]\nmodels = [\"x-*\"]\n\
             usd_per_mtok = { input = \"3\", output = \"15\", cache_write_5m = \"3.75\", cache_write_1h = \"6\", cache_read = \"0.3\" }\n",
        )
        .unwrap();
        let [first, second] = config.prices.contracts.as_slice() else {
            panic!("two contracts: {:?}", config.prices)
        };
        assert_eq!(first.contract.models, ["*"], "about all models");
        assert_eq!(
            second.contract.rates.map(|rates| rates.cache_write_5m),
            Some(3_750_000),
            "pico-USD per token"
        );
        let told = parse(
            "[[prices.contract]]\nupstreams = [\"b\"]\nmultiplier = \"-1\"\n[[prices.contract]]\nservice_tier = \"priority\"\n",
        )
        .unwrap_err();
        for wrong in [
            "there is no [upstreams.b]",
            "from \"0\" to \"1000\"",
            "set it, for example",
        ] {
            assert!(told.contains(wrong), "{wrong}: {told}");
        }
    }
}
