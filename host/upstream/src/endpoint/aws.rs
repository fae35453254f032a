//! Keys of AWS: the endpoints of containers and instances.

use witgate_bedrock::Keys;
use witgate_bedrock::credentials::container::Container;
use witgate_bedrock::credentials::{BadAnswer, instance};

use super::{Way, read, send};
use crate::config::BaseUrl;
use crate::credential::leased::found::Access;

/// Asks the endpoint of a container.
///
/// # Errors
///
/// There are no keys, and the reason.
pub(super) async fn container(container: &Container) -> Result<(Access, String), String> {
    let proof = match container.token_file() {
        Some(path) => Some(read(path).await?),
        None => None,
    };
    let question = container
        .ask(proof.as_deref())
        .map_err(|error| error.to_string())?;
    let answered = send(&question, Way::default()).await?;
    let keys = Container::answer(answered.status, &answered.body);
    let keys = keys.map_err(|error| error.to_string())?;
    Ok((access(keys), "the container's role".to_owned()))
}

/// Asks the endpoint of an instance.
///
/// # Errors
///
/// There are no keys, and the reason.
pub(super) async fn instance(at: Option<&BaseUrl>) -> Result<(Access, String), String> {
    let way = Way { at, ca_file: None };
    let wrong = |error: BadAnswer| error.to_string();
    let nowhere = |error| {
        format!(
            "there are no AWS credentials in the environment, a profile or a container, and the instance's endpoint gives none: {error}"
        )
    };
    let answered = send(&instance::ask_token(), way).await.map_err(nowhere)?;
    let token = instance::Token::answer(answered.status, &answered.body).map_err(wrong)?;
    let answered = send(&token.ask_role(), way).await?;
    let role = instance::Role::answer(answered.status, &answered.body).map_err(wrong)?;
    let answered = send(&token.ask_keys(&role), way).await?;
    let keys = instance::answer_keys(answered.status, &answered.body).map_err(wrong)?;
    Ok((access(keys), "the instance's role".to_owned()))
}

fn access(keys: Keys) -> Access {
    Access::Aws(witgate_bedrock::Access::Keys(keys))
}
